// The live stream without a socket: order of messages, gaps, waiting between tries, and the patches on lists.
// Everything here is pure, so that it can be tested without a browser; `socket.ts` drives it.
import type { Activity, Delivery, Frame, Problem } from './api-types.ts';
import { byUrgency } from './state.ts';

/** First wait after a lost connection. */
const FIRST_WAIT_MS = 500;
/** Longest wait; a server that comes back is found within this. */
const LONGEST_WAIT_MS = 15_000;
/** Without a message for this long the data counts as behind: the server sends one each second or pings. */
export const BEHIND_S = 12;
/** Events kept on the overview. */
export const EVENTS_KEPT = 20;
/** Problems listed on the overview; the rest is counted. */
export const PROBLEMS_KEPT = 50;

/** Wait before try number `tries` (from 0): doubled each time, then between half and all of it, by chance. */
export function wait(tries: number, chance: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, 10));
  return Math.round(full / 2 + (full / 2) * chance);
}

/** What to do with a message. */
export type Verdict = 'greet' | 'apply' | 'gap' | 'drop';

/** Follows the numbers of messages. After a gap only a snapshot is believed. */
export class Sequence {
  #last: number | null = null;
  #lost = false;

  /** Whether a snapshot is awaited. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Says what to do with `frame`, and remembers its number. */
  take(frame: Frame): Verdict {
    if (frame.type === 'hello') {
      this.#last = frame.seq ?? null;
      this.#lost = false;
      return 'greet';
    }
    if (frame.type === 'gap') {
      this.#lost = true;
      this.#last = frame.seq ?? null;
      return 'gap';
    }
    if (frame.type !== 'frame') return 'drop';
    const seq = frame.seq ?? null;
    if (frame.snapshot) {
      this.#last = seq;
      this.#lost = false;
      return 'apply';
    }
    if (this.#lost) return 'drop';
    if (seq !== null && this.#last !== null) {
      if (seq <= this.#last) return 'drop';
      if (seq > this.#last + 1) {
        this.#lost = true;
        this.#last = seq;
        return 'gap';
      }
    }
    this.#last = seq ?? this.#last;
    return 'apply';
  }
}

/** Problems after a patch, in the order of urgency. A snapshot replaces; otherwise the same incident is replaced. */
export function patchProblems(
  now: readonly Problem[],
  patch: NonNullable<Frame['problems']>,
  snapshot: boolean,
): Problem[] {
  const left = new Map<number, Problem>();
  if (!snapshot) for (const problem of now) left.set(problem.incident, problem);
  for (const incident of patch.drop ?? []) left.delete(incident);
  for (const problem of patch.add ?? []) left.set(problem.incident, problem);
  return [...left.values()].sort(byUrgency);
}

const sameEvent = (a: Activity, b: Activity): boolean =>
  a.at_unix_s === b.at_unix_s && a.kind === b.kind && a.host === b.host && a.check === b.check && a.text === b.text;

/** Events after a patch, newest first, none twice. */
export function patchEvents(now: readonly Activity[], added: readonly Activity[], snapshot: boolean, most = EVENTS_KEPT): Activity[] {
  const out = snapshot ? [] : [...now];
  for (const event of added) if (!out.some((other) => sameEvent(other, event))) out.push(event);
  return out.sort((a, b) => b.at_unix_s - a.at_unix_s).slice(0, most);
}

/** Deliveries after a patch, newest first. */
export function patchDeliveries(now: readonly Delivery[], added: readonly Delivery[], most = 200): Delivery[] {
  const left = new Map(now.map((delivery) => [delivery.id, delivery]));
  for (const delivery of added) left.set(delivery.id, delivery);
  return [...left.values()].sort((a, b) => b.id - a.id).slice(0, most);
}

/**
 * Whether a person waits for what a frame says: a problem that is listed, or will be, came, went or was taken over; a host that somebody
 * looks at; what somebody has just ordered. Figures, lines of activity and the rest of a storm may wait.
 */
export function isUrgent(frame: Frame, shown: readonly Problem[]): boolean {
  if (frame.host !== undefined || frame.deliveries !== undefined || frame.enrol !== undefined) return true;
  const { add = [], drop = [] } = frame.problems ?? {};
  const last = shown[PROBLEMS_KEPT - 1];
  if (add.length + drop.length === 0) return false;
  const listed = new Map(shown.slice(0, PROBLEMS_KEPT).map((problem) => [problem.incident, problem]));
  const differs = (problem: Problem): boolean => {
    const before = listed.get(problem.incident);
    if (before === undefined) return last === undefined || byUrgency(problem, last) < 0;
    return before.state !== problem.state || before.ack?.by !== problem.ack?.by || before.silenced_until_unix_s !== problem.silenced_until_unix_s;
  };
  return drop.some((incident) => listed.has(incident)) || add.some(differs);
}

type Rows = NonNullable<Frame['rows']>;

/** Joins rows; a host has one, the later. So what waits while the page is paused has a bound. */
function joinRows(before: Rows, after: Rows): Rows {
  const told = new Set(after.id);
  const kept = before.id.map((_, index) => index).filter((index) => !told.has(before.id[index] ?? -1));
  const column = <T>(name: (of: Rows) => T[] | undefined): T[] | undefined => {
    const [old, fresh] = [name(before), name(after)];
    return old && fresh ? [...kept.map((index) => old[index] as T), ...fresh] : undefined;
  };
  const id = [...kept.map((index) => before.id[index] ?? -1), ...after.id];
  const joined: Rows = { id, state: kept.map((index) => before.state[index] ?? '-').join('') + after.state };
  for (const name of ['cpu', 'mem', 'disk', 'last_heard_unix_s'] as const) {
    const values = column((of) => of[name]);
    if (values) joined[name] = values;
  }
  const [since, text] = [column((of) => of.since_unix_s), column((of) => of.text)];
  if (since) joined.since_unix_s = since;
  if (text) joined.text = text;
  return joined;
}

/** Joins frames that wait, so that one pass over the page applies them all. Later wins. */
export function merge(frames: readonly Frame[]): Frame {
  const out: Frame = { type: 'frame' };
  const adds = new Map<number, Problem>();
  const drops = new Set<number>();
  for (const frame of frames) {
    if (frame.snapshot) {
      // Only of what it holds: a snapshot after a new subscription may leave a topic out.
      if (frame.problems) {
        adds.clear();
        drops.clear();
      }
      out.snapshot = true;
    }
    out.seq = frame.seq ?? out.seq;
    out.at_unix_s = frame.at_unix_s ?? out.at_unix_s;
    out.counts = frame.counts ?? out.counts;
    for (const incident of frame.problems?.drop ?? []) {
      adds.delete(incident);
      drops.add(incident);
    }
    for (const problem of frame.problems?.add ?? []) {
      drops.delete(problem.incident);
      adds.set(problem.incident, problem);
    }
    if (frame.problems) out.problems = { add: [...adds.values()], drop: [...drops] };
    if (frame.events) out.events = frame.snapshot ? frame.events : [...frame.events, ...(out.events ?? [])];
    if (frame.rows) out.rows = out.rows ? joinRows(out.rows, frame.rows) : frame.rows;
    if (frame.deliveries) out.deliveries = [...(out.deliveries ?? []), ...frame.deliveries];
    if (frame.enrol) out.enrol = [...(out.enrol ?? []), ...frame.enrol];
    if (frame.self) out.self = { ...out.self, ...frame.self };
    for (const [name, patch] of Object.entries(frame.host ?? {})) {
      const before = out.host?.[name];
      const samples = { ...before?.samples, ...patch.samples };
      const checks = Boolean(before?.checks_changed) || Boolean(patch.checks_changed);
      out.host = { ...out.host, [name]: { ...before, ...patch, samples, checks_changed: checks } };
    }
  }
  return out;
}

/** Things that a frame would change on the page: what "Paused, 14 changes" counts. */
export function changes(frame: Frame): number {
  return (
    (frame.problems?.add?.length ?? 0) +
    (frame.problems?.drop?.length ?? 0) +
    (frame.events?.length ?? 0) +
    (frame.deliveries?.length ?? 0)
  );
}

/** Keeps the shown order of a list while somebody is in it; says how many waiting entries that holds back. */
export function held<T>(shown: readonly T[], now: readonly T[], key: (entry: T) => number): { list: T[]; waiting: number } {
  const current = new Map(now.map((entry) => [key(entry), entry]));
  const kept = new Set<number>();
  const list: T[] = [];
  for (const entry of shown) {
    kept.add(key(entry));
    list.push(current.get(key(entry)) ?? entry);
  }
  const fresh = now.filter((entry) => !kept.has(key(entry))).length;
  const gone = shown.filter((entry) => !current.has(key(entry))).length;
  return { list, waiting: fresh + gone };
}
