import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetTable } from '../../src/lib/api-types.ts';
import { parse } from '../../src/lib/filter.ts';
import { Fleet, groups } from '../../src/lib/fleet.ts';

const table = (): FleetTable => ({
  etag: '1',
  at_unix_s: 1000,
  id: [11, 12, 13, 14],
  name: ['web-1', 'db-1', 'db-2', 'web-2'],
  state: 'owco',
  site: [0, 1, 1, -1],
  sites: ['ams', 'fra'],
  tags: [['role:web'], ['role:db'], ['role:db', 'old'], []],
  text: ['', 'Memory 91 %', 'Down', ''],
  since_unix_s: [1, 2, 3, 4],
  last_heard_unix_s: [990, 991, null, 993],
  cpu: [5, 50, null, 20],
  mem: [1, 91, null, 2],
  disk: [1, 2, null, 3],
  strip: ['o48', 'o48', 'o48', 'o48'],
  address: ['192.0.2.1', null, null, null],
  os: ['Debian 12', 'Debian 12', '', 'Ubuntu 24.04'],
  uptime_s: [10, 20, null, 40],
});

test('hosts come worst first, then by name', () => {
  const fleet = new Fleet(table());
  assert.deepEqual(fleet.select([], null, 'state', false).map((row) => fleet.name[row]), ['db-2', 'db-1', 'web-1', 'web-2']);
});

test('a host without a value comes last in either direction', () => {
  const fleet = new Fleet(table());
  assert.deepEqual(fleet.select([], null, 'cpu', true).map((row) => fleet.name[row]), ['db-1', 'web-2', 'web-1', 'db-2']);
  assert.deepEqual(fleet.select([], null, 'cpu', false).map((row) => fleet.name[row]), ['web-1', 'web-2', 'db-1', 'db-2']);
});

test('a filter and a state narrow the table, and the counts follow the filter', () => {
  const fleet = new Fleet(table());
  assert.equal(fleet.select(parse('role:db'), null, 'state', false).length, 2);
  assert.equal(fleet.select(parse('role:db'), 'crit', 'state', false).length, 1);
  assert.equal(fleet.select(parse('192.0.2.1'), null, 'state', false).length, 1);
  assert.deepEqual(fleet.tally(parse('role:db')), { crit: 1, warn: 1, unk: 0, mnt: 0, ok: 0, off: 0 });
});

test('rows are patched by id; unknown ids and missing columns change nothing', () => {
  const fleet = new Fleet(table());
  assert.deepEqual(fleet.patch({ id: [13, 99], state: 'oc', cpu: [7, 8], text: ['', 'x'] }), { rows: 1, moved: true });
  assert.equal(fleet.state[2], 'ok');
  assert.equal(fleet.cpu[2], 7);
  assert.equal(fleet.text[2], '');
  assert.ok(Number.isNaN(fleet.mem[2]));
  assert.deepEqual(fleet.patch({ id: [13], state: 'o' }), { rows: 1, moved: false });
  assert.deepEqual(fleet.patch({ id: [11], state: 'o', cpu: [null] }), { rows: 1, moved: false });
  assert.equal(fleet.subject(0).cpu, null);
  fleet.patch({ id: [11], state: 'c', text: ['Disk full'] });
  fleet.patch({ id: [11], state: 'c' });
  assert.equal(fleet.text[0], 'Disk full', 'what is said of a state stays with it');
  fleet.patch({ id: [11], state: 'o' });
  assert.equal(fleet.text[0], '', 'and goes with it');
  assert.deepEqual(fleet.patch({ id: [11], state: 'c', since_unix_s: [7] }), { rows: 1, moved: true });
  assert.equal(fleet.since[0], 7, 'how long it is so follows the state');
});

test('the other direction of states is best first, and names go on from a to z', () => {
  const fleet = new Fleet(table());
  assert.deepEqual(fleet.select([], null, 'state', true).map((row) => fleet.name[row]), ['web-1', 'web-2', 'db-1', 'db-2']);
  assert.deepEqual(fleet.select([], null, 'name', true).map((row) => fleet.name[row]), ['web-2', 'web-1', 'db-2', 'db-1']);
});

test('groups begin with the worst, and hosts without the key come last', () => {
  const fleet = new Fleet(table());
  const rows = fleet.select([], null, 'state', false);
  assert.deepEqual(groups(fleet, 'site', rows).map((group) => [group.key, group.rows.length]), [['fra', 2], ['ams', 1], ['', 1]]);
  assert.deepEqual(groups(fleet, 'role', rows).map((group) => group.key), ['db', 'web', '']);
  assert.equal(groups(fleet, 'tag', rows).find((group) => group.key === 'old')?.rows.length, 1);
});
