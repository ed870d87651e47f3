import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Counts, Problem } from '../../src/lib/api-types.ts';
import { share } from '../../src/lib/format.ts';
import { tally } from '../../src/lib/state.ts';
import { available, headline, under } from '../../src/lib/verdict.ts';

const counts = (of: Partial<Counts>): Counts => ({ crit: 0, warn: 0, unk: 0, mnt: 0, ok: 0, pending: 0, ...of });
const problem = (by: string | null, silenced: number | null = null): Problem =>
  ({ ack: by === null ? null : { by }, silenced_until_unix_s: silenced }) as unknown as Problem;
const keys = (of: Counts, problems: Problem[]): string[] => under(of, problems).map(([key]) => key);

test('a silenced problem is said to be silenced, not taken', () => {
  const quiet = counts({ crit: 1, silenced: 1, silenced_incidents: 1 });
  assert.deepEqual(headline(quiet), ['overview.silenced-hosts', { n: 1 }]);
  assert.deepEqual(under(quiet, []), [['overview.silenced', { n: 1 }], ['overview.rest', { ok: 0, n: 1 }]]);
});

test('the headline counts the hosts that are not silenced', () => {
  assert.deepEqual(headline(counts({ crit: 3, silenced: 1, silenced_incidents: 2 })), ['overview.need', { n: 2 }]);
  assert.deepEqual(headline(counts({ crit: 1 })), ['overview.need', { n: 1 }]);
  assert.deepEqual(headline(counts({ ok: 9, mnt: 1 })), ['overview.healthy', { n: 10 }]);
});

test('what was not heard since the start is not called healthy without a word', () => {
  assert.deepEqual(headline(counts({ ok: 3, unheard: 3 })), ['overview.listening', { n: 3 }]);
  assert.deepEqual(headline(counts({ ok: 3, unheard: 1 })), ['overview.healthy', { n: 3 }]);
  assert.deepEqual(keys(counts({ ok: 3, unheard: 1 }), []), ['overview.unheard']);
  assert.deepEqual(keys(counts({ ok: 3, mnt: 1 }), []), ['overview.sub-mnt']);
});

test('somebody is on everything only if somebody has taken each', () => {
  const bad = counts({ crit: 2 });
  assert.deepEqual(keys(bad, [problem('mira'), problem(null)]), ['overview.unacked', 'overview.rest']);
  assert.deepEqual(keys(bad, [problem('mira')]), ['overview.all-acked', 'overview.rest']);
  assert.deepEqual(keys(bad, []), ['overview.rest'], 'nobody is on what has no incident');
  const mixed = counts({ crit: 2, silenced: 1, silenced_incidents: 1 });
  assert.deepEqual(keys(mixed, [problem('mira')]), ['overview.rest-acked', 'overview.silenced', 'overview.rest']);
  assert.deepEqual(keys(mixed, [problem(null, 99)]), ['overview.silenced', 'overview.rest'], 'one that is silenced does not wait');
});

test('a share is never rounded up to the whole', () => {
  assert.equal(share(1), '100');
  assert.equal(share(0.99999), '99.99');
  assert.equal(share(0.98765), '98.76');
  assert.equal(share(0.5), '50');
  assert.equal(share(0.57), '57', 'a hundredth is not lost in the floating point');
});

test('problems are counted by state, whatever view they are from', () => {
  assert.deepEqual(tally([{ state: 'crit' }, { state: 'unk' }, { state: 'crit' }]), { crit: 2, warn: 0, unk: 1 });
});

test('a share is of a day only if somebody looked for a day', () => {
  const kpis = { availability_24h: 1, availability_since_unix_s: null, availability_looked_s: 86_400, heartbeats_per_minute: 0, samples_per_second: 0, open_incidents: 0 };
  assert.deepEqual(available(kpis), ['kpi.available', {}]);
  assert.deepEqual(available({ ...kpis, availability_looked_s: 86_390 }), ['kpi.available', {}], 'a restart');
  assert.deepEqual(available({ ...kpis, availability_looked_s: 7_250 }), ['kpi.available-part', { n: 2 }]);
  assert.deepEqual(available({ ...kpis, availability_since_unix_s: 1_763_821_200, availability_looked_s: 600 }), ['kpi.available-since', { at: '14:20' }]);
});
