// What the form for silences and planned work holds, and what is asked of the server for it.
import type { Matcher, Repeats, Silence } from './api-types.ts';

/** Planned work is for once, waits for the first problem, or comes again. */
export type How = 'once' | 'flexible' | 'again';
/** By days and hours of the week, or by a pattern of cron. */
export type By = 'week' | 'cron';

/** When it holds, as the form has it; moments are seconds of the wall clock. */
export interface Times {
  how: How;
  /** `kept`: as before, of one that is changed. */
  start: 'now' | 'at' | 'kept';
  from: number;
  /** Null: without end, for what comes again. */
  until: number | null;
  flexibleMinutes: number;
  by: By;
  week: string;
  cron: string;
  lastsMinutes: number;
  zone: string;
}

/** What the server is asked for. */
export interface Order {
  matcher: Matcher;
  reason: string;
  maintenance: boolean;
  from_at?: string;
  until_at?: string;
  flexible_seconds?: number;
  repeats?: Repeats;
}

const iso = (at: number): string => new Date(at * 1000).toISOString();

/** Says when it comes again; null if it does not, or not all of that is filled in. */
export function repeats(of: Times): Repeats | null {
  if (of.how !== 'again') return null;
  const timezone = of.zone.trim() === '' ? {} : { timezone: of.zone.trim() };
  if (of.by === 'week') return of.week.trim() === '' ? null : { when: of.week.trim(), ...timezone };
  const lasts = Math.round(of.lastsMinutes * 60);
  return of.cron.trim() === '' || !(lasts > 0) ? null : { cron: of.cron.trim(), lasts_seconds: lasts, ...timezone };
}

/** Makes the order of what is filled in. */
export function order(maintenance: boolean, matcher: Matcher, reason: string, times: Times): Order {
  const made: Order = { matcher, reason: reason.trim(), maintenance };
  if (times.start !== 'kept') made.from_at = iso(times.from);
  if (times.until !== null) made.until_at = iso(times.until);
  const again = maintenance ? repeats(times) : null;
  if (again !== null) made.repeats = again;
  if (maintenance && times.how === 'flexible') made.flexible_seconds = Math.round(times.flexibleMinutes * 60);
  return made;
}

/** The order that makes one again as it was, to undo that it was ended or changed. What has begun goes on from now. */
export function asBefore(silence: Silence, now: number): Order {
  const { matcher, reason, maintenance, again, flexible_seconds: lasts, begun_at: begun } = silence;
  const made: Order = { matcher, reason, maintenance };
  const from = again ? again.from_at : silence.from_at;
  if (Date.parse(from) / 1000 > now) made.from_at = from;
  const until = again ? again.until_at : silence.until_at;
  if (until !== null) made.until_at = until;
  if (again) made.repeats = again.repeats;
  // The problem that it waited for has come: the rest of its time is left.
  if (lasts !== null && begun !== null) made.until_at = iso(Date.parse(begun) / 1000 + lasts);
  else if (lasts !== null) made.flexible_seconds = lasts;
  return made;
}

/** Says what is not filled in rightly yet; null if all is. The words are keys of messages. */
export function missing(isEmpty: boolean, reason: string, times: Times): 'maintenance.need-what' | 'silence.required' | 'maintenance.need-time' | 'maintenance.need-again' | null {
  if (isEmpty) return 'maintenance.need-what';
  if (reason.trim() === '') return 'silence.required';
  if (times.how === 'again') {
    if (repeats(times) === null) return 'maintenance.need-again';
    return times.until !== null && !(times.until > times.from) ? 'maintenance.need-time' : null;
  }
  return times.until !== null && times.until > times.from ? null : 'maintenance.need-time';
}

/** Puts what there is into a form; `zone` is the reader's, where none was said. */
export function filled(silence: Silence, zone: string): Times {
  const again = silence.again;
  const seconds = (at: string): number => Date.parse(at) / 1000;
  const until = again ? again.until_at : silence.until_at;
  return {
    how: again ? 'again' : silence.flexible_seconds === null ? 'once' : 'flexible',
    start: 'kept',
    from: seconds(again ? again.from_at : silence.from_at),
    until: until === null ? null : seconds(until),
    flexibleMinutes: (silence.flexible_seconds ?? 1800) / 60,
    by: again?.repeats.cron ? 'cron' : 'week',
    week: again?.repeats.when ?? '',
    cron: again?.repeats.cron ?? '',
    lastsMinutes: (again?.repeats.lasts_seconds ?? 3600) / 60,
    // One without a zone goes by the server's: it stays so.
    zone: again ? (again.repeats.timezone ?? '') : zone,
  };
}
