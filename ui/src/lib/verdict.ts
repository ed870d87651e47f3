// What the first screen says on top: how much needs somebody, and how much of it is taken or quiet on purpose.
import type { Counts, Overview, Problem } from './api-types.ts';
import { clock } from './format.ts';
import { inAll, inNeed } from './state.ts';
import type { Key } from '../messages/index.ts';

/** A sentence of the messages with its values. */
export type Sentence = [key: Key, values: Record<string, string | number>];

/** Problems that no silence covers. What is silenced neither waits for somebody nor is somebody on it. */
export const loud = (problems: readonly Problem[]): Problem[] => problems.filter((problem) => problem.silenced_until_unix_s === null);

/** The headline. */
export function headline(counts: Counts): Sentence {
  const bad = inNeed(counts);
  const need = bad - (counts.silenced ?? 0);
  const unheard = counts.unheard ?? 0;
  if (bad === 0 && unheard > 0 && unheard === counts.ok) return ['overview.listening', { n: unheard }];
  if (need > 0) return ['overview.need', { n: need }];
  return bad > 0 ? ['overview.silenced-hosts', { n: bad }] : ['overview.healthy', { n: inAll(counts) }];
}

/** The sentences under it. */
export function under(counts: Counts, problems: readonly Problem[]): Sentence[] {
  const unheard: Sentence[] = (counts.unheard ?? 0) > 0 ? [['overview.unheard', { n: counts.unheard ?? 0 }]] : [];
  if (inNeed(counts) === 0) {
    if (counts.mnt > 0) return [['overview.sub-mnt', { n: counts.mnt }], ...unheard];
    return unheard.length > 0 ? unheard : [['overview.sub-quiet', {}]];
  }
  const heard = loud(problems);
  const open = heard.filter((problem) => problem.ack === null).length;
  const quiet = counts.silenced_incidents ?? 0;
  const out: Sentence[] = [];
  if (open > 0) out.push(['overview.unacked', { n: open }]);
  else if (heard.length > 0) out.push([quiet > 0 ? 'overview.rest-acked' : 'overview.all-acked', {}]);
  if (quiet > 0) out.push(['overview.silenced', { n: quiet }]);
  return [...out, ['overview.rest', { ok: counts.ok, n: inAll(counts) }], ...unheard];
}

/** A day of which this much was seen counts as seen: a restart takes a moment. */
const WHOLE_DAY_H = 23;

/** What the share of hosts that were up is of: not a day if nobody looked for a part of it. */
export function available(kpis: Overview['kpis']): Sentence {
  if (kpis.availability_since_unix_s !== null) return ['kpi.available-since', { at: clock(kpis.availability_since_unix_s) }];
  const hours = Math.floor(kpis.availability_looked_s / 3600);
  return hours < WHOLE_DAY_H ? ['kpi.available-part', { n: hours }] : ['kpi.available', {}];
}
