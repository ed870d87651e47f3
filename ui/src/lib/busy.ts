// What an agent says of a busy moment, taken apart: the processes that used most.

/** A process as the agent names it. */
export interface Process {
  /** How much, as written: `90 %`, `412 MiB`. */
  use: string;
  command: string;
  pid: string;
  user: string;
  /** Its service, scope or slice; empty if it has none. */
  unit: string;
}

export interface Busy {
  of: 'cpu' | 'memory';
  percent: number;
  processes: Process[];
}

/** Takes the text of an event `busy` apart; null for one that says something else. */
export function busy(text: string): Busy | null {
  // Before it stands which value crossed its limit, where that is not the load or used memory itself.
  const head = /^(?:\S+ is [^;]+; )?(processors are|memory is) used by (\d+) %, most by (.+)$/s.exec(text);
  if (!head) return null;
  // A comma parts processes only where a use follows: command lines have commas of their own.
  const processes = (head[3] ?? '').split(/, (?=\d+ (?:%|MiB) )/).map((part): Process | null => {
    const found = /^(\d+ (?:%|MiB)) (.*) \(pid (\d+), user (\d+)(?:, ([^()]*))?\)$/s.exec(part);
    return found && { use: found[1] ?? '', command: found[2] ?? '', pid: found[3] ?? '', user: found[4] ?? '', unit: found[5] ?? '' };
  });
  const known = processes.filter((one): one is Process => one !== null);
  return known.length === 0 ? null : { of: head[1] === 'memory is' ? 'memory' : 'cpu', percent: Number(head[2]), processes: known };
}

interface Timed {
  at_unix_s: number;
}

/** The one of these that is nearest to a moment, at most `within` seconds away; null if there is none. */
export function nearest<T extends Timed>(all: readonly T[], at: number, within: number): T | null {
  let best: T | null = null;
  for (const one of all) {
    const away = Math.abs(one.at_unix_s - at);
    if (away <= within && (best === null || away < Math.abs(best.at_unix_s - at))) best = one;
  }
  return best;
}

/** Events that lie too close to be told apart on a lane, as one. */
export interface Cluster<T> {
  at: number;
  all: T[];
}

/** Puts events into at most `most` places between two times, oldest first. */
export function clusters<T extends Timed>(all: readonly T[], from: number, to: number, most: number): Cluster<T>[] {
  const width = Math.max(1, (to - from) / most);
  const places = new Map<number, T[]>();
  for (const one of all) {
    if (one.at_unix_s < from || one.at_unix_s > to) continue;
    const place = Math.min(most - 1, Math.floor((one.at_unix_s - from) / width));
    places.set(place, [...(places.get(place) ?? []), one]);
  }
  return [...places].sort((a, b) => a[0] - b[0]).map(([, found]) => {
    const sorted = [...found].sort((a, b) => a.at_unix_s - b.at_unix_s);
    return { at: sorted[0]?.at_unix_s ?? from, all: sorted };
  });
}
