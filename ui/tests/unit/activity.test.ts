import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptBack } from '../../src/lib/activity.ts';

test('a message that was kept back is said with its reason, not with the words of the engine', () => {
  assert.deepEqual(keptBack('silence: problem: known until 12:00'), { step: 'silence', why: 'known until 12:00' });
  assert.deepEqual(keptBack('route: no route leads to a receiver'), { step: 'route', why: 'no route leads to a receiver' });
  assert.deepEqual(keptBack('told: merged: because of incident 3'), { step: 'told', why: 'because of incident 3' });
  assert.deepEqual(keptBack('silence: it says: no'), { step: 'silence', why: 'it says: no' }, 'only kinds of messages are left out');
  assert.equal(keptBack('nothing stands in front'), null);
  assert.equal(keptBack('route: '), null);
});
