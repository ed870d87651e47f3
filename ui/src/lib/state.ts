// The state language: order, words and names of the states that hosts, checks and incidents can have.
import type { Counts, Letter, ProblemState, Status } from './api-types.ts';

/** A state as icons, strips and colours know it. */
export type State = 'crit' | 'warn' | 'unk' | 'mnt' | 'ok' | 'off';

/** Worst first. Unknown comes after warning: a limit passed is a fact, a missing result is a question. */
export const WORST_FIRST: readonly State[] = ['crit', 'warn', 'unk', 'mnt', 'off', 'ok'];

const RANK: Record<State, number> = { crit: 0, warn: 1, unk: 2, mnt: 3, off: 4, ok: 5 };

const OF_LETTER: Record<string, State> = { c: 'crit', w: 'warn', u: 'unk', m: 'mnt', o: 'ok', '-': 'off' };

const OF_STATUS: Record<Status, State> = { ok: 'ok', warning: 'warn', critical: 'crit', unknown: 'unk', pending: 'off' };

/** Position in the order worst first. */
export const rank = (state: State): number => RANK[state];

/** State of a letter; an unknown letter is no data. */
export const ofLetter = (letter: Letter | string | undefined): State => OF_LETTER[letter ?? '-'] ?? 'off';

/** State of a check's status; an unknown word is no data. */
export const ofStatus = (status: Status): State => OF_STATUS[status] ?? 'off';

/** State of any of the API's three spellings. */
export function ofAny(word: string | null | undefined): State {
  if (!word) return 'off';
  if (word in RANK) return word as State;
  return OF_STATUS[word as Status] ?? OF_LETTER[word] ?? (word === 'maintenance' ? 'mnt' : 'off');
}

/** Worst first, not acknowledged before acknowledged, then what has lasted longest. */
export function byUrgency(
  a: { state: ProblemState; ack: unknown; since_unix_s: number },
  b: { state: ProblemState; ack: unknown; since_unix_s: number },
): number {
  return Number(a.ack !== null) - Number(b.ack !== null) || rank(a.state) - rank(b.state) || a.since_unix_s - b.since_unix_s;
}

/** How many there are of each state that a problem can have. */
export function tally(problems: readonly { state: ProblemState }[]): Record<ProblemState, number> {
  const out: Record<ProblemState, number> = { crit: 0, warn: 0, unk: 0 };
  for (const problem of problems) out[problem.state] += 1;
  return out;
}

/** Hosts that need somebody. */
export const inNeed = (counts: Counts): number => counts.crit + counts.warn + counts.unk;

/** All hosts. */
export const inAll = (counts: Counts): number => inNeed(counts) + counts.mnt + counts.ok + counts.pending;

/** The worst state that any host has, for the sign in the tab. */
export function worst(counts: Counts): State {
  if (counts.crit > 0) return 'crit';
  if (counts.warn > 0) return 'warn';
  if (counts.unk > 0) return 'unk';
  return 'ok';
}
