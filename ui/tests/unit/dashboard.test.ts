import assert from 'node:assert/strict';
import { test } from 'node:test';
import { route } from '../../src/lib/address.ts';
import type { DashboardContent, Panel, Series } from '../../src/lib/api-types.ts';
import { about, chosen, drawn, emptyContent, isAbout, moved, namesIn, newest, newPanel, paragraphs, sharedIn, sized, titled, whomIn } from '../../src/lib/dashboard.ts';

const content = (host: string | null, tag: string | null): DashboardContent => ({ ...emptyContent('x'), variables: { host, tag } });
const panel = (more: Partial<Panel>): Panel => ({ ...newPanel('chart', emptyContent('x')), ...more });
const series = (kind: 'gauge' | 'counter', values: (number | null)[]): Series => ({
  from_unix_s: 0,
  to_unix_s: 100,
  step_s: 10,
  at_unix_s: values.map((_, index) => index * 10),
  names: ['a.b', 'a.c'],
  units: ['bytes', 'bytes'],
  kinds: [kind, kind],
  min: [values, values],
  avg: [values, values],
  max: [values, values],
  incidents: [],
  limits: {},
});

test('users and teams whom a dashboard is shown to are written as in routes', () => {
  const shared = sharedIn('ida, team:storage ida team:web');
  assert.deepEqual(shared, { users: ['ida'], teams: ['storage', 'web'] });
  assert.deepEqual(whomIn({ everyone: false, ...shared }), ['ida', 'team:storage', 'team:web']);
});

test('the address wins over what a dashboard opens with', () => {
  const of = (text: string) => chosen(content('db1', null), (name) => new URLSearchParams(text).get(name));
  assert.deepEqual(of(''), { host: 'db1', tag: '' });
  assert.deepEqual(of('host=web1&tag=role:db'), { host: 'web1', tag: 'role:db' });
});

test('variables stand for what is chosen, and an open choice is known as such', () => {
  const choice = { host: 'db1', tag: '' };
  assert.deepEqual(about(panel({ hosts: ['$host', 'web1', 'db1'] }), choice), { hosts: ['db1', 'web1'], tag: null, open: false });
  assert.deepEqual(about(panel({ tag: '$tag' }), choice), { hosts: [], tag: null, open: true });
  assert.deepEqual(about(panel({ tag: '$tag' }), { host: '', tag: 'role:db' }), { hosts: [], tag: 'role:db', open: false });
  assert.equal(titled(panel({ title: 'CPU of $host' }), choice), 'CPU of db1');
});

test('a list without hosts and tag is about everybody, one that waits for a choice about nobody', () => {
  assert.ok(isAbout({ hosts: [], tag: null, open: false }, 'db1', []));
  assert.ok(!isAbout({ hosts: [], tag: null, open: true }, 'db1', []));
  assert.ok(isAbout({ hosts: [], tag: 'role:db', open: false }, 'db1', ['role:db']));
  assert.ok(!isAbout({ hosts: ['web1'], tag: null, open: false }, 'db1', []));
});

test('panels are moved within the list and sized within the grid', () => {
  assert.deepEqual(moved(['a', 'b', 'c'], 0, 2), ['b', 'c', 'a']);
  assert.deepEqual(moved(['a', 'b', 'c'], 2, -4), ['c', 'a', 'b']);
  assert.deepEqual(moved(['a'], 5, 0), ['a']);
  const small = sized(panel({}), 1, 0);
  assert.deepEqual([small.width, small.height], [2, 1]);
  const large = sized(panel({}), 13.2, 9);
  assert.deepEqual([large.width, large.height], [12, 6]);
});

test('one host is drawn with each of its series, several with a line each and at most five', () => {
  const one = drawn('k', 'T', ['a.b', 'a.c'], { items: [{ host: 'h', series: series('gauge', [1, 2]) }], more: 0 }, null);
  assert.deepEqual(one?.layers.map((layer) => layer.lines.map((line) => line.label)), [['a.b', 'a.c']]);
  const items = ['h1', 'h2', 'h3', 'h4'].map((host) => ({ host, series: series('counter', [1]) }));
  const many = drawn('k', 'T', ['a.b', 'a.c'], { items, more: 3 }, null);
  assert.deepEqual(many?.layers.flatMap((layer) => layer.lines.map((line) => line.label)), ['h1 a.b', 'h1 a.c', 'h2 a.b', 'h2 a.c', 'h3 a.b']);
  assert.equal(many?.more, 9, 'three lines of these hosts, and two of each of three others');
  assert.equal(many?.plan.unit, 'bytes_per_second', 'a counter is shown as its change');
  assert.equal(drawn('k', 'T', ['a.b'], { items: [], more: 0 }, null), null);
});

test('the newest value is the last one that is there', () => {
  const found = newest([{ host: 'h', series: series('gauge', [1, 7, null]) }, { host: 'none', series: series('gauge', [null]) }], 'a.b');
  assert.deepEqual(found, [{ host: 'h', path: 'a.b', value: 7, at: 10, unit: 'bytes' }]);
});

test('addresses in texts are links, and nothing else is', () => {
  assert.deepEqual(paragraphs('See https://wiki.example.net/x now\n\n<b>bold</b>\n'), [
    [
      { link: false, text: 'See ' },
      { link: true, text: 'https://wiki.example.net/x' },
      { link: false, text: ' now' },
    ],
    [{ link: false, text: '<b>bold</b>' }],
  ]);
  assert.ok(paragraphs('javascript:alert(1)').flat().every((piece) => !piece.link));
});

test('names are parted by spaces and commas, each once', () => {
  assert.deepEqual(namesIn(' a, b  a\nc'), ['a', 'b', 'c']);
});

test('dashboards have addresses', () => {
  assert.equal(route('/dashboards').name, 'dashboards');
  assert.deepEqual(route('/dashboards/12'), { name: 'dashboard', params: { id: '12' } });
  assert.equal(route('/dashboards/x').name, 'missing');
});
