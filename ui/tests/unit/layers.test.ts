import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Series } from '../../src/lib/api-types.ts';
import { batches, type Beside, choice, joined, layers, linesOf, NOTHING_BESIDE, SHIFTS, shiftOf, unseen, valueAt } from '../../src/lib/layers.ts';
import { looks } from '../../src/lib/plot.ts';
import { lonely, type ChartPlan } from '../../src/lib/series.ts';

const series = (at: number[], ...values: (number | null)[][]): Series => ({
  from_unix_s: at[0] ?? 0,
  to_unix_s: at.at(-1) ?? 0,
  step_s: 10,
  at_unix_s: at,
  names: values.map((_, index) => `a.${index}`),
  units: values.map(() => ''),
  kinds: values.map(() => 'gauge' as const),
  min: values,
  avg: values,
  max: values,
  incidents: [],
  limits: {},
});
const plan: ChartPlan = { key: 'a.0', title: 'A', unit: '', lines: [{ path: 'a.0', label: 'one', rate: false }, { path: 'a.1', label: 'two', rate: false }], more: 0 };
const words = (label: string, shift: string): string => `${label} ${shift}`;

test('without anything beside it a chart has its own lines', () => {
  const own = series([10, 20], [1, 2], [3, 4]);
  const found = layers(plan, 'db1', own, NOTHING_BESIDE, words);
  assert.deepEqual(linesOf(found).map((line) => line.label), ['one', 'two']);
  assert.deepEqual(joined(found).avg, [[1, 2], [3, 4]]);
});

test('with other hosts each has one line, and the host itself is one of them', () => {
  const others = ['db1', 'db2', 'db3', 'db4', 'db5', 'db6', 'db7'].map((host) => ({ host, series: series([10], [1]) }));
  const beside: Beside = { before: null, across: others, more: 3 };
  const found = layers(plan, 'db1', series([10], [9], [8]), beside, words);
  assert.deepEqual(linesOf(found).map((line) => line.label), ['db1', 'db2', 'db3', 'db4', 'db5']);
  assert.equal(unseen(plan, 'db1', beside), 5, 'two that do not fit, and three that were not sent');
});

test('hosts that do not have the series are not in the chart', () => {
  const beside: Beside = { before: null, across: [{ host: 'db2', series: { ...series([10], [1]), names: ['other'] } }], more: 0 };
  assert.deepEqual(linesOf(layers(plan, 'db1', series([10], [9], [8]), beside, words)).map((line) => line.label), ['one', 'two']);
});

test('what was a week before lies on the same times', () => {
  const before = series([10 - SHIFTS['7d'], 20 - SHIFTS['7d']], [5, 6]);
  const found = layers(plan, 'db1', series([10, 20], [1, 2], [3, 4]), { before: { series: before, shift: '7d' }, across: [], more: 0 }, words);
  const all = joined(found);
  assert.deepEqual(all.at, [10, 20]);
  assert.deepEqual(all.avg[2], [5, 6]);
  assert.deepEqual(linesOf(found)[2], { label: 'one 7d', tone: 'before' });
  assert.deepEqual(looks(linesOf(found))[2], { colour: 5, dashed: true });
});

test('times of others break no line, silences of its own do', () => {
  const found = layers(plan, 'a', { ...series([10, 20, 200], [1, 2, 3]), names: ['a.0'] }, { before: null, across: [{ host: 'b', series: series([15, 25], [7, 8]) }], more: 0 }, words);
  const all = joined(found);
  assert.deepEqual(all.at, [10, 15, 20, 21, 25, 200]);
  assert.deepEqual(all.avg[0], [1, undefined, 2, null, undefined, 3]);
  assert.deepEqual(all.avg[1], [undefined, 7, undefined, undefined, 8, undefined]);
});

test('the value under the cursor is the last one where only others were measured', () => {
  assert.equal(valueAt([1, undefined, undefined], 2), 1);
  assert.equal(valueAt([1, null, undefined], 2), null, 'a gap is a gap');
  assert.equal(valueAt([undefined, 4], 0), null);
});

test('a point between times of others stands alone only if its own neighbours are gaps', () => {
  assert.deepEqual(lonely([1, undefined, 2, undefined, null]), []);
  assert.deepEqual(lonely([1, undefined, null, 2, undefined, null]), [0, 3]);
});

test('hosts beside each other have colours of their own', () => {
  const lines = ['a', 'b', 'c', 'd', 'e'].map((label, index) => ({ label, tone: index === 0 ? ('own' as const) : ('other' as const) }));
  assert.deepEqual(looks(lines).map((look) => look.colour), [1, 2, 3, 4, 5]);
  assert.deepEqual(looks([{ label: 'in', tone: 'own' }, { label: 'out', tone: 'own' }]).map((look) => look.colour), [2, 3]);
});

test('the choice is read from the address, and hosts win over a tag', () => {
  const of = (text: string) => choice((name) => new URLSearchParams(text).get(name));
  assert.deepEqual(of(''), { hosts: [], tag: null, shift: null });
  assert.deepEqual(of('with=a,b&with_tag=x&compare=7d'), { hosts: ['a', 'b'], tag: null, shift: '7d' });
  assert.deepEqual(of('with_tag=role:db&compare=9d'), { hosts: [], tag: 'role:db', shift: null });
  assert.equal(shiftOf('toString'), null);
});

test('long lists are asked for in parts', () => {
  assert.deepEqual(batches([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(batches([], 3), []);
});
