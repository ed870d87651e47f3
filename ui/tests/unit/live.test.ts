import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Activity, Frame, Problem } from '../../src/lib/api-types.ts';
import { changes, held, isUrgent, merge, patchDeliveries, patchEvents, patchProblems, Sequence, wait } from '../../src/lib/live.ts';

const problem = (incident: number, more: Partial<Problem> = {}): Problem => ({
  incident,
  host: `h${incident}`,
  check: 'cpu',
  state: 'warn',
  text: '',
  since_unix_s: 100 + incident,
  ack: null,
  silenced_until_unix_s: null,
  symptoms: 0,
  soft: null,
  strip: 'o48',
  spark: [],
  limit: null,
  flapping: false,
  ...more,
});
const event = (at_unix_s: number, text = 'x'): Activity => ({ at_unix_s, kind: 'event', host: null, check: null, incident: null, state: null, text });
const frame = (seq: number, more: Partial<Frame> = {}): Frame => ({ type: 'frame', seq, ...more });

test('waits grow, stay within their bound, and differ by chance', () => {
  assert.equal(wait(0, 0), 250);
  assert.equal(wait(0, 1), 500);
  assert.ok(wait(3, 0.5) > wait(1, 0.5));
  for (let tries = 0; tries < 100; tries += 1) assert.ok(wait(tries, 1) <= 15_000);
  assert.equal(wait(1000, 0), 7500);
});

test('frames in order apply', () => {
  const order = new Sequence();
  assert.equal(order.take({ type: 'hello', seq: 1 }), 'greet');
  assert.equal(order.take(frame(2, { snapshot: true })), 'apply');
  assert.equal(order.take(frame(3)), 'apply');
});

test('after a missing number only a snapshot is believed', () => {
  const order = new Sequence();
  order.take({ type: 'hello', seq: 1 });
  order.take(frame(2, { snapshot: true }));
  assert.equal(order.take(frame(4)), 'gap');
  assert.ok(order.lost);
  assert.equal(order.take(frame(5)), 'drop');
  assert.equal(order.take(frame(9, { snapshot: true })), 'apply');
  assert.equal(order.take(frame(10)), 'apply');
  assert.ok(!order.lost);
});

test('a gap that the server names is followed by its snapshot', () => {
  const order = new Sequence();
  order.take({ type: 'hello', seq: 1 });
  assert.equal(order.take({ type: 'gap', seq: 70 }), 'gap');
  assert.equal(order.take(frame(71)), 'drop');
  assert.equal(order.take(frame(72, { snapshot: true })), 'apply');
});

test('a repeated or unknown message is dropped', () => {
  const order = new Sequence();
  order.take({ type: 'hello', seq: 5 });
  assert.equal(order.take(frame(6)), 'apply');
  assert.equal(order.take(frame(6)), 'drop');
  assert.equal(order.take({ type: 'later' } as unknown as Frame), 'drop');
});

test('a new connection begins a new count', () => {
  const order = new Sequence();
  order.take({ type: 'hello', seq: 900 });
  order.take(frame(901));
  assert.equal(order.take({ type: 'hello', seq: 1 }), 'greet');
  assert.equal(order.take(frame(2, { snapshot: true })), 'apply');
});

test('problems are replaced by incident, dropped, and sorted by urgency', () => {
  const now = [problem(1), problem(2)];
  const next = patchProblems(now, { add: [problem(3, { state: 'crit' }), problem(1, { ack: { by: 'a', comment: 'b', sticky: false } })], drop: [2] }, false);
  assert.deepEqual(next.map((entry) => entry.incident), [3, 1]);
  assert.deepEqual(now.map((entry) => entry.incident), [1, 2], 'the former list is untouched');
});

test('a snapshot of problems replaces all of them', () => {
  assert.deepEqual(patchProblems([problem(1)], { add: [problem(2)], drop: [] }, true).map((entry) => entry.incident), [2]);
});

test('events are kept once, newest first, and bounded', () => {
  const now = [event(3), event(1)];
  assert.deepEqual(patchEvents(now, [event(2), event(3)], false).map((entry) => entry.at_unix_s), [3, 2, 1]);
  assert.equal(patchEvents([], Array.from({ length: 50 }, (_, i) => event(i)), false).length, 20);
  assert.deepEqual(patchEvents(now, [event(9)], true).map((entry) => entry.at_unix_s), [9]);
});

test('deliveries change in place', () => {
  const base = { at: '', sent_at: null, incident: null, host: '', check: null, receiver: 'r', type: 't', reason: '', summary: '', attempts: 1, next_try_at: null, error: null, took_ms: null };
  const next = patchDeliveries([{ ...base, id: 1, state: 'queued' }], [{ ...base, id: 2, state: 'queued' }, { ...base, id: 1, state: 'sent' }]);
  assert.deepEqual(next.map((entry) => [entry.id, entry.state]), [[2, 'queued'], [1, 'sent']]);
});

test('frames that wait become one: later wins, and what came and went is not shown', () => {
  const joined = merge([
    frame(1, { counts: { crit: 1, warn: 0, unk: 0, mnt: 0, ok: 0, pending: 0 }, problems: { add: [problem(1)], drop: [] }, events: [event(1)] }),
    frame(2, { counts: { crit: 2, warn: 0, unk: 0, mnt: 0, ok: 0, pending: 0 }, problems: { add: [problem(2)], drop: [1] }, events: [event(2)] }),
  ]);
  assert.equal(joined.seq, 2);
  assert.equal(joined.counts?.crit, 2);
  assert.deepEqual(joined.problems?.add?.map((entry) => entry.incident), [2]);
  assert.deepEqual(joined.problems?.drop, [1]);
  assert.equal(joined.events?.length, 2);
  assert.equal(changes(joined), 4);
});

test('a snapshot among waiting frames throws away what was before it', () => {
  const joined = merge([frame(1, { problems: { add: [problem(1)], drop: [] } }), frame(2, { snapshot: true, problems: { add: [problem(5)], drop: [] } })]);
  assert.equal(joined.snapshot, true);
  assert.deepEqual(joined.problems?.add?.map((entry) => entry.incident), [5]);
});

test('samples of one host from several frames are kept together', () => {
  const joined = merge([
    frame(1, { host: { a: { checks_changed: true, samples: { x: [1, 1] } } } }),
    frame(2, { host: { a: { state: 'c', samples: { y: [2, 2] } }, b: { state: 'o' } } }),
  ]);
  assert.deepEqual(joined.host?.a, { checks_changed: true, state: 'c', samples: { x: [1, 1], y: [2, 2] } });
  assert.equal(joined.host?.b?.state, 'o');
});

test('a list that somebody is in keeps its order and shows changed entries in place', () => {
  const shown = [problem(1), problem(2)];
  const now = [problem(3, { state: 'crit' }), problem(2, { text: 'worse' })];
  const kept = held(shown, now, (entry) => entry.incident);
  assert.deepEqual(kept.list.map((entry) => [entry.incident, entry.text]), [[1, ''], [2, 'worse']]);
  assert.equal(kept.waiting, 2, 'one came, one went');
});

test('rows that wait are joined: a host has one, the later, and columns that a frame lacks are left out', () => {
  const joined = merge([
    frame(1, { rows: { id: [1, 2], state: 'oc', since_unix_s: [10, 20], cpu: [1, 2], text: ['', 'Down'] } }),
    frame(2, { rows: { id: [2, 3], state: 'ow', since_unix_s: [30, 31], text: ['', 'Hot'] } }),
  ]);
  assert.deepEqual(joined.rows, { id: [1, 2, 3], state: 'oow', since_unix_s: [10, 30, 31], text: ['', '', 'Hot'] });
});

test('what somebody waits for is drawn at once, figures and the rest of a storm with the next picture', () => {
  const told = (more: Partial<Frame>): Frame => ({ type: 'frame', ...more });
  const few = [problem(1), problem(2)];
  const ack = { by: 'mira', comment: '', sticky: false };
  for (const one of [{ problems: { add: [problem(3)] } }, { problems: { drop: [1] } }, { problems: { add: [problem(1, { ack })] } }, { enrol: [] }, { deliveries: [] }, { host: { a: {} } }]) {
    assert.ok(isUrgent(told(one), few), JSON.stringify(one));
  }
  for (const one of [{}, { problems: { add: [], drop: [] } }, { self: {} }, { events: [] }, { problems: { add: [problem(1, { text: '91 %' })] } }]) {
    assert.ok(!isUrgent(told(one), few), JSON.stringify(one));
  }
  const storm = Array.from({ length: 60 }, (_, index) => problem(index, { since_unix_s: 100 + index }));
  assert.ok(!isUrgent(told({ problems: { add: [problem(99, { since_unix_s: 900 })], drop: [55] } }), storm), 'below what is listed');
  assert.ok(isUrgent(told({ problems: { drop: [3] } }), storm));
  assert.ok(isUrgent(told({ problems: { add: [problem(99, { since_unix_s: 5 })] } }), storm), 'it comes among those that are listed');
});
