// What the first screen says on top: how much needs somebody, and how much of it is taken or quiet on purpose.
import type { Counts, Problem } from './api-types.ts';
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
  if (need > 0) return ['overview.need', { n: need }];
  return bad > 0 ? ['overview.silenced-hosts', { n: bad }] : ['overview.healthy', { n: inAll(counts) }];
}

/** The sentences under it. */
export function under(counts: Counts, problems: readonly Problem[]): Sentence[] {
  if (inNeed(counts) === 0) return [counts.mnt > 0 ? ['overview.sub-mnt', { n: counts.mnt }] : ['overview.sub-quiet', {}]];
  const heard = loud(problems);
  const open = heard.filter((problem) => problem.ack === null).length;
  const quiet = counts.silenced_incidents ?? 0;
  const out: Sentence[] = [];
  if (open > 0) out.push(['overview.unacked', { n: open }]);
  else if (heard.length > 0) out.push([quiet > 0 ? 'overview.rest-acked' : 'overview.all-acked', {}]);
  if (quiet > 0) out.push(['overview.silenced', { n: quiet }]);
  return [...out, ['overview.rest', { ok: counts.ok, n: inAll(counts) }]];
}
