import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, paths, spark, tally } from '../../src/lib/strip.ts';

test('a run-length strip gives its periods back', () => {
  assert.equal(decode('o48').length, 48);
  assert.deepEqual(decode('o2w1c'), ['ok', 'ok', 'warn', 'crit']);
  assert.deepEqual(decode('-1m2u1'), ['off', 'mnt', 'mnt', 'unk']);
});

test('nonsense ends a strip and never grows without bound', () => {
  assert.deepEqual(decode(''), []);
  assert.deepEqual(decode('o2x9'), ['ok', 'ok']);
  assert.equal(decode('o999999999').length, 400);
});

test('writing and reading are inverse', () => {
  assert.equal(encode('ooowwc'), 'o3w2c1');
  assert.equal(decode(encode('oowwccuumm--')).length, 12);
});

test('there is one path for each state, whatever the number of periods', () => {
  const drawn = paths(decode('o40w6c2'), 120, 16);
  assert.deepEqual(drawn.map(([state]) => state).sort(), ['crit', 'ok', 'warn']);
  assert.equal(drawn.find(([state]) => state === 'crit')?.[1].match(/M/g)?.length, 2);
});

test('the worse a state, the taller its bar', () => {
  const tall = (letter: string): number => {
    const path = paths(decode(letter), 10, 100)[0]?.[1] ?? '';
    return Number(/v([\d.]+)/.exec(path)?.[1]);
  };
  assert.ok(tall('c') > tall('w'));
  assert.ok(tall('w') > tall('o'));
  assert.ok(tall('o') > tall('-'));
});

test('unknown is drawn in two pieces and maintenance has a cap, so that neither needs its colour', () => {
  assert.equal(paths(decode('u'), 10, 16)[0]?.[1].match(/M/g)?.length, 2);
  assert.equal(paths(decode('m'), 10, 16)[0]?.[1].match(/M/g)?.length, 2);
});

test('periods are counted by state', () => {
  assert.deepEqual(tally(decode('o40w6c2')), { crit: 2, warn: 6, unk: 0, mnt: 0, ok: 40, off: 0 });
});

test('a spark keeps its gaps and needs two values', () => {
  assert.equal(spark([1, null], null, 76, 24), null);
  const drawn = spark([1, 2, null, 3, 2], 4, 76, 24);
  assert.equal(drawn?.line.match(/M/g)?.length, 2);
  assert.ok(drawn !== null && drawn.limit !== null && drawn.limit < 10, 'a limit above the values stands above them');
  const flat = spark([5, 5, 5], null, 76, 24);
  assert.ok(flat !== null && !flat.line.includes('NaN'));
});
