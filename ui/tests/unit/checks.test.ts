import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckSummary } from '../../src/lib/api-types.ts';
import { bad, fitting, further, grouped, objectOf, ordered, worst } from '../../src/lib/checks.ts';

const check = (name: string, kinds: string[], more: Partial<CheckSummary> = {}): CheckSummary => ({
  check: name,
  description: null,
  kinds,
  interval_seconds: null,
  p95_seconds: null,
  host: null,
  hosts: 3,
  critical: 0,
  warning: 0,
  unknown: 0,
  ok: 3,
  pending: 0,
  changed_at: null,
  ...more,
});
const ALL = [
  check('shop', ['http'], { critical: 1, host: 'web1', hosts: 1, interval_seconds: 30, p95_seconds: 0.2 }),
  check('memory_monitor.percent', ['limit'], { warning: 2, interval_seconds: 15 }),
  check('host', ['host'], { interval_seconds: 15 }),
  check('mail', ['http', 'tcp'], { description: 'Whether letters go out', p95_seconds: 1.5, interval_seconds: 60 }),
];
const names = (all: CheckSummary[]): string => all.map((one) => one.check).join(' ');

test('checks are counted, and the worst says how they are', () => {
  assert.deepEqual(ALL.map(bad), [1, 2, 0, 0]);
  assert.deepEqual(ALL.map(worst), ['crit', 'warn', 'ok', 'ok']);
  assert.equal(worst(check('new', ['limit'], { ok: 0, pending: 3 })), 'off');
});

test('filters go by words, kind and failing, together', () => {
  assert.equal(names(fitting(ALL, 'LETTERS', '', false)), 'mail');
  assert.equal(names(fitting(ALL, 'web1', '', false)), 'shop');
  assert.equal(names(fitting(ALL, '', 'http', false)), 'shop mail');
  assert.equal(names(fitting(ALL, '', 'http', true)), 'shop');
  assert.equal(names(fitting(ALL, 'nothing', '', false)), '');
});

test('a host that moved to the next page meanwhile is there once', () => {
  const row = (host: string): { host: string } => ({ host });
  assert.deepEqual(further([row('a'), row('b')], [row('b'), row('c')]), [row('a'), row('b'), row('c')]);
});

test('orders go both ways, and what nobody knows is last or slowest', () => {
  assert.equal(names(ordered(ALL, 'interval', false)), 'memory_monitor.percent host shop mail');
  assert.equal(names(ordered(ALL, 'p95', true)), 'mail shop memory_monitor.percent host');
  assert.equal(names(ordered(ALL, 'failing', true)), 'memory_monitor.percent shop host mail');
  assert.equal(names(ordered(ALL, 'name', false)), 'host mail memory_monitor.percent shop');
});

test('groups are by kind, the one with the worst first', () => {
  assert.deepEqual(grouped(ALL).map((group) => `${group.kind}: ${names(group.checks)}`), ['http: shop', 'limit: memory_monitor.percent', 'host: host', 'http, tcp: mail']);
});

test('a check leads to the object that makes it, and what hark does by itself to none', () => {
  assert.deepEqual(ALL.map(objectOf), [{ section: 'checks', name: 'shop' }, { section: 'thresholds', name: 'memory_monitor' }, null, { section: 'checks', name: 'mail' }]);
  assert.deepEqual(objectOf(check('rtt', ['limit'])), { section: 'thresholds', name: 'rtt' });
});
