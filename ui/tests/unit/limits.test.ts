import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupsOf, labelOf, pathOf, rowsOf, treeOf } from '../../src/lib/limits.ts';

const KEYS = new Set(['warning', 'critical', 'operator', 'attempts', 'repair', 'growth', 'full_in']);

test('a tree of limits comes apart into rows and together again', () => {
  const tree = {
    cpu_monitor: { cpu_percent: { warning: 80, critical: 90 } },
    disk_monitor: { partitions: { '/': { percent: { critical: 99 } } }, percent: { warning: 85 } },
    rtt: { db1: { warning: 20 } },
    systemd: { active: { repair: { action: 'restart' } } },
  };
  const rows = rowsOf(tree, KEYS);
  assert.deepEqual(rows?.map((row) => labelOf(row.path)), ['cpu_monitor cpu_percent', 'disk_monitor / percent', 'disk_monitor percent', 'rtt db1', 'systemd active']);
  assert.deepEqual(treeOf(rows ?? []), tree);
});

test('what is derived from a metric is part of its row', () => {
  const tree = { disk_monitor: { '/': { percent: { full_in: { critical: '4h' } } }, percent: { growth: { warning: 5 } } } };
  const rows = rowsOf(tree, KEYS);
  assert.deepEqual(rows?.map((row) => labelOf(row.path)), ['disk_monitor / percent', 'disk_monitor percent']);
  assert.deepEqual(treeOf(rows ?? []), tree);
  // Under a collector that stands above, a metric is the first key; without one it is a collector's metric of that name.
  assert.deepEqual(rowsOf({ percent: { growth: { warning: 5 } } }, KEYS, 1)?.map((row) => row.path), [['percent']]);
  assert.deepEqual(rowsOf({ sensors: { growth: { warning: 5 } } }, KEYS)?.map((row) => row.path), [['sensors', 'growth']]);
});

test('a metric without limits yet is a row, too, and an empty tree has none', () => {
  assert.deepEqual(rowsOf({ cpu_percent: {} }, KEYS), [{ path: ['cpu_percent'], limits: {} }]);
  const written = { cpu_percent: { repair: { $yaml: 'action: restart' } } };
  assert.deepEqual(treeOf(rowsOf(written, KEYS) ?? []), written);
  assert.deepEqual(rowsOf(undefined, KEYS), []);
  assert.deepEqual(rowsOf({}, KEYS), []);
  assert.deepEqual(treeOf([]), {});
});

test('what is no tree of limits is not shown as one', () => {
  const deep = { a: { b: { c: { d: { e: { f: { g: { warning: 1 } } } } } } } };
  for (const tree of ['text', [1], { cpu: 80 }, { $yaml: 'cpu: 1' }, { 'x-note': {} }, deep]) assert.equal(rowsOf(tree, KEYS), null, JSON.stringify(tree));
});

test('what is typed for a new row leads to a metric', () => {
  assert.deepEqual(pathOf('cpu_monitor', '', 'cpu_percent'), ['cpu_monitor', 'cpu_percent']);
  assert.deepEqual(pathOf('disk_monitor', ' / ', 'percent'), ['disk_monitor', '/', 'percent']);
  assert.deepEqual(pathOf(null, '/', 'percent'), ['/', 'percent']);
  assert.deepEqual(pathOf('rtt', 'db1', ''), ['rtt', 'db1']);
  for (const [collector, instance, metric] of [['', '', 'x'], ['cpu_monitor', '', ''], ['rtt', '', ''], [null, '/', '']] as const) assert.equal(pathOf(collector, instance, metric), null);
});

test('keys stand in their groups, the levels first, and none is lost', () => {
  const fields = (...keys: string[]): { key: string; schema: object; required: boolean }[] => keys.map((key) => ({ key, schema: {}, required: false }));
  const told = (derived: boolean, ...keys: string[]): string[] => groupsOf(fields(...keys), derived).map((group) => `${group.name}: ${group.fields.map((field) => field.key).join(' ')}`);
  assert.deepEqual(told(false, 'over', 'by', 'growth', 'warning', 'critical', 'for', 'attempts', 'on_stale', 'something_new'), [
    'levels: warning critical',
    'confirm: attempts for',
    'window: over by',
    'growth: growth',
    'absent: on_stale',
    'more: something_new',
  ]);
  // What is derived is told by its own keys: they are as plain as its levels.
  assert.deepEqual(told(true, 'full', 'empty', 'over', 'warning', 'critical', 'operator'), ['levels: warning critical full empty over', 'compare: operator']);
});
