import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seldom } from '../../src/lib/seldom.ts';

test('what is asked for too early is done once, when its time has come', (context) => {
  const { timers } = context.mock;
  timers.enable({ apis: ['setTimeout', 'Date'], now: 1000 });
  const done: number[] = [];
  const ask = seldom(() => void done.push(Date.now()), 5000);
  ask();
  timers.tick(1000);
  ask();
  ask();
  assert.deepEqual(done, [1000]);
  timers.tick(4000);
  assert.deepEqual(done, [1000, 6000], 'two that came too early are one');
  timers.tick(20_000);
  assert.deepEqual(done, [1000, 6000], 'nothing is done unasked');
  ask();
  assert.deepEqual(done, [1000, 6000, 26_000], 'who comes late does not wait');
});

test('a clock that is put back makes nobody wait for longer', (context) => {
  const { timers } = context.mock;
  timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  let times = 0;
  const ask = seldom(() => void (times += 1), 5000);
  ask();
  timers.setTime(0);
  ask();
  assert.equal(times, 1);
  timers.tick(5000);
  assert.equal(times, 2);
});
