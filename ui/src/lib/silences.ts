// What is quiet on purpose, as every view counts and dates it.
import type { Silence } from './api-types.ts';

/** What there is, counted: what is in force, by its kind, and what is still to come. All views count by this. */
export function tally(all: readonly Silence[]): { maintenance: number; silences: number; planned: number } {
  const active = all.filter((silence) => silence.active);
  const maintenance = active.filter((silence) => silence.maintenance).length;
  return { maintenance, silences: active.length - maintenance, planned: all.length - active.length };
}

/** When it is over, in seconds: what a problem has begun may hold beyond the time in which it could begin. */
export function ending({ until_at: until, flexible_seconds: lasts, begun_at: begun }: Silence): number {
  return Date.parse(begun ?? until) / 1000 + (begun === null ? 0 : (lasts ?? 0));
}
