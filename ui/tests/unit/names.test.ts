import assert from 'node:assert/strict';
import { test } from 'node:test';
import { split } from '../../src/lib/names.ts';

test('names are split at spaces and commas, and named once', () => {
  assert.deepEqual(split(' anna, bert  anna,\n'), ['anna', 'bert']);
  assert.deepEqual(split(''), []);
});
