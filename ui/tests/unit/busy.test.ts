import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busy, clusters, nearest } from '../../src/lib/busy.ts';

test('what the agent says of a busy moment is taken apart', () => {
  assert.deepEqual(busy('processors are used by 85 %, most by 90 % /usr/bin/p13 -x (pid 13, user 0, app.service), 3 % cron (pid 7, user 1000)'), {
    of: 'cpu',
    percent: 85,
    processes: [
      { use: '90 %', command: '/usr/bin/p13 -x', pid: '13', user: '0', unit: 'app.service' },
      { use: '3 %', command: 'cron', pid: '7', user: '1000', unit: '' },
    ],
  });
  assert.equal(busy('memory is used by 91 %, most by 4 MiB a (pid 1, user 0)')?.of, 'memory');
});

test('which value crossed its limit may stand before it', () => {
  const found = busy('memory_monitor.available_mb is 499.0 MiB; memory is used by 91 %, most by 4 MiB a (pid 1, user 0)');
  assert.deepEqual([found?.of, found?.percent, found?.processes.length], ['memory', 91, 1]);
});

test('commas and brackets of command lines part nothing', () => {
  const found = busy('processors are used by 85 %, most by 90 % sh -c (a, 5 b) (pid 1, user 0), 4 % x (pid 2, user 0)');
  assert.deepEqual(found?.processes.map((one) => one.command), ['sh -c (a, 5 b)', 'x']);
});

test('what is not of that kind is left alone', () => {
  assert.equal(busy('booted after 3 min'), null);
  assert.equal(busy('processors are used by 85 %, most by nobody'), null);
});

test('the nearest is found on either side, but not too far away', () => {
  const all = [10, 50, 90].map((at_unix_s) => ({ at_unix_s }));
  assert.equal(nearest(all, 55, 60)?.at_unix_s, 50);
  assert.equal(nearest(all, 300, 60), null);
  assert.equal(nearest([], 5, 60), null);
});

test('what lies close together is one mark, with all of it', () => {
  const all = [1000, 1001, 1500, 2500].map((at_unix_s) => ({ at_unix_s }));
  const found = clusters(all, 1000, 2000, 10);
  assert.deepEqual(found.map((one) => [one.at, one.all.length]), [[1000, 2], [1500, 1]]);
});
