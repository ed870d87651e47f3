import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Silence } from '../../src/lib/api-types.ts';
import { ending, tally } from '../../src/lib/silences.ts';

const silence = (of: Partial<Silence>): Silence => ({
  id: 1, matcher: { hosts: ['web1'], checks: [], tags: [], severity: null }, by: 'mira', reason: 'known',
  from_at: '2026-11-20T08:00:00Z', until_at: '2026-11-20T10:00:00Z', active: true, maintenance: false, flexible_seconds: null, begun_at: null,
  repeats: null, again: null, withheld: 0, matches: { hosts: 1, incidents: 0 }, declared: null, ...of,
});

test('what is in force is counted by its kind, and all else is to come', () => {
  assert.deepEqual(tally([]), { maintenance: 0, silences: 0, planned: 0 });
  const waits = silence({ maintenance: true, flexible_seconds: 7200, active: false });
  const all = [silence({}), silence({ maintenance: true }), silence({ active: false }), waits];
  assert.deepEqual(tally(all), { maintenance: 1, silences: 1, planned: 2 });
});

test('what a problem has begun ends by its own time', () => {
  const at = (text: string): number => Date.parse(text) / 1000;
  assert.equal(ending(silence({})), at('2026-11-20T10:00:00Z'));
  assert.equal(ending(silence({ flexible_seconds: 7200 })), at('2026-11-20T10:00:00Z'));
  assert.equal(ending(silence({ flexible_seconds: 7200, begun_at: '2026-11-20T09:59:00Z' })), at('2026-11-20T11:59:00Z'));
});
