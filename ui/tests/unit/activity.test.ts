import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Activity } from '../../src/lib/api-types.ts';
import { happened, KINDS, keptBack, keyed, kindName } from '../../src/lib/activity.ts';

test('a message that was kept back is said with its reason, not with the words of the engine', () => {
  assert.deepEqual(keptBack('silence: problem: known until 12:00'), { step: 'silence', why: 'known until 12:00' });
  assert.deepEqual(keptBack('route: no route leads to a receiver'), { step: 'route', why: 'no route leads to a receiver' });
  assert.deepEqual(keptBack('told: merged: because of incident 3'), { step: 'told', why: 'because of incident 3' });
  assert.deepEqual(keptBack('silence: it says: no'), { step: 'silence', why: 'it says: no' }, 'only kinds of messages are left out');
  assert.equal(keptBack('nothing stands in front'), null);
  assert.equal(keptBack('route: '), null);
});

test('what hark itself makes happen has a name for its kind, and every other kind is the word of whoever made it', () => {
  const name = (key: string): string => `<${key}>`;
  assert.equal(happened('new_host: heard for the first time from 127.0.0.1', name), '<event.new_host>: heard for the first time from 127.0.0.1');
  for (const kind of KINDS) assert.equal(happened(`${kind}: a: b`, name), `<event.${kind}>: a: b`);
  assert.equal(happened('backup: done', name), 'backup: done');
  assert.equal(happened('no kind at all', name), 'no kind at all');
  assert.deepEqual([kindName('boot', name), kindName('back\u0007up', name)], ['<event.boot>', 'back\u2407up']);
});

test('one more line on top leaves the names of the others as they are', () => {
  const event = (at: number, text: string): Activity => ({ at_unix_s: at, kind: 'transition', host: 'web1', check: 'cpu', text, state: null, incident: null }) as Activity;
  const before = [event(3, 'warning'), event(2, 'ok'), event(1, 'ok')];
  const names = (events: Activity[]): string[] => keyed(events).map(([name]) => name);
  assert.deepEqual(names([event(4, 'ok'), ...before]).slice(1), names(before));
  // Two of the same, as a long timeline may have, are told apart.
  const twice = [event(3, 'warning'), ...before];
  assert.equal(new Set(names(twice)).size, 4);
  assert.deepEqual(names(twice).slice(1), names(before));
  assert.deepEqual(keyed(before).map(([, one]) => one), before);
});
