import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csv } from '../../src/lib/file.ts';

test('cells are quoted and are no formulas', () => {
  assert.equal(csv([['a', 'b,c', 'd"e', '=1+1', '-1', 'f\ng']]), 'a,"b,c","d""e",\'=1+1,\'-1,"f\ng"\r\n');
});
