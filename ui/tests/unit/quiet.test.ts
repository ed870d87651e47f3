import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Matcher, Silence } from '../../src/lib/api-types.ts';
import { asBefore, filled, missing, order, repeats, type Times } from '../../src/lib/quiet.ts';

const web: Matcher = { hosts: ['web1'], checks: [], tags: [], severity: null };
const times = (of: Partial<Times>): Times => ({
  how: 'once', start: 'now', from: 1000, until: 4600, flexibleMinutes: 30, by: 'week', week: '', cron: '', lastsMinutes: 60, zone: 'Europe/Berlin', ...of,
});

test('work for once is asked for with its beginning and its end', () => {
  assert.deepEqual(order(true, web, ' disk ', times({})), {
    matcher: web, reason: 'disk', maintenance: true, from_at: '1970-01-01T00:16:40.000Z', until_at: '1970-01-01T01:16:40.000Z',
  });
  assert.equal(order(true, web, 'disk', times({ how: 'flexible' })).flexible_seconds, 1800);
  // A silence has no such thing, whatever was chosen before.
  assert.equal(order(false, web, 'disk', times({ how: 'flexible' })).flexible_seconds, undefined);
});

test('work that comes again is asked for by its hours or its pattern, without an end if none is given', () => {
  const weekly = times({ how: 'again', until: null, week: ' sun 02:00-04:00 ' });
  const asked = order(true, web, 'scrub', weekly);
  assert.deepEqual(asked.repeats, { when: 'sun 02:00-04:00', timezone: 'Europe/Berlin' });
  assert.equal(asked.until_at, undefined);
  assert.deepEqual(repeats(times({ how: 'again', by: 'cron', cron: '30 2 * * *', lastsMinutes: 45, zone: ' ' })), { cron: '30 2 * * *', lasts_seconds: 2700 });
  assert.equal(repeats(times({ week: 'sun 02:00-04:00' })), null);
});

test('what is missing is said, one thing after the other', () => {
  const again = times({ how: 'again', until: null });
  assert.equal(missing(true, '', again), 'maintenance.need-what');
  assert.equal(missing(false, ' ', again), 'silence.required');
  assert.equal(missing(false, 'x', again), 'maintenance.need-again');
  assert.equal(missing(false, 'x', { ...again, by: 'cron', cron: '@daily', lastsMinutes: Number.NaN }), 'maintenance.need-again');
  assert.equal(missing(false, 'x', { ...again, week: 'sun', until: 1000 }), 'maintenance.need-time');
  assert.equal(missing(false, 'x', { ...again, week: 'sun' }), null);
  assert.equal(missing(false, 'x', times({ until: null })), 'maintenance.need-time');
  assert.equal(missing(false, 'x', times({ until: Number.NaN })), 'maintenance.need-time');
  assert.equal(missing(false, 'x', times({})), null);
});

test('a form for a change holds what there is, and leaves the beginning as it was', () => {
  const silence = {
    from_at: '2026-12-01T02:30:00Z', until_at: '2026-12-01T03:15:00Z', flexible_seconds: null,
    again: { repeats: { cron: '30 2 * * *', lasts_seconds: 2700, when: null, timezone: null }, from_at: '2026-11-01T00:00:00Z', until_at: null },
  } as unknown as Silence;
  const form = filled(silence, 'Europe/Berlin');
  assert.deepEqual([form.how, form.by, form.until, form.lastsMinutes, form.zone], ['again', 'cron', null, 45, '']);
  const asked = order(true, web, 'backup', form);
  assert.deepEqual([asked.from_at, asked.until_at, asked.repeats], [undefined, undefined, { cron: '30 2 * * *', lasts_seconds: 2700 }]);
  const once = filled({ ...silence, again: null, flexible_seconds: 600 }, 'Europe/Berlin');
  assert.deepEqual([once.how, once.until, once.flexibleMinutes, once.zone], ['flexible', Date.parse('2026-12-01T03:15:00Z') / 1000, 10, 'Europe/Berlin']);
});

test('what was ended is made again as it was, for the time that is left', () => {
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
  const one: Silence = {
    id: 3, matcher: web, by: 'mira', reason: 'disk', from_at: at(1000), until_at: at(9000), maintenance: true, flexible_seconds: null, begun_at: null, repeats: null, again: null, withheld: 2,
    matches: { hosts: 1, incidents: 0 }, declared: null,
  };
  const made = { matcher: web, reason: 'disk', maintenance: true };
  assert.deepEqual(asBefore(one, 2000), { ...made, until_at: at(9000) }, 'it has begun');
  assert.deepEqual(asBefore(one, 500), { ...made, from_at: at(1000), until_at: at(9000) }, 'it is still to come');
  assert.deepEqual(asBefore({ ...one, flexible_seconds: 600 }, 2000), { ...made, until_at: at(9000), flexible_seconds: 600 }, 'it waits for a problem');
  assert.deepEqual(asBefore({ ...one, flexible_seconds: 600, begun_at: at(1900) }, 2000), { ...made, until_at: at(2500) }, 'the problem has come');
  const again = { repeats: { when: 'sun 02:00-04:00' }, from_at: at(0), until_at: null };
  assert.deepEqual(asBefore({ ...one, again }, 2000), { ...made, repeats: again.repeats }, 'it comes again, without an end');
});
