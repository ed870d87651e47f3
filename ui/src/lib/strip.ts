// Run-length strips ("o40w6c2") and the paths that draw them: the worse, the taller.
import { ofLetter, type State } from './state.ts';

/** States of the periods of a run-length strip, oldest first. Nonsense ends the strip; it never throws. */
export function decode(strip: string, most = 400): State[] {
  const out: State[] = [];
  const run = /([owcum-])(\d*)/y;
  for (let match = run.exec(strip); match !== null; match = run.exec(strip)) {
    const count = match[2] === '' ? 1 : Number(match[2]);
    for (let i = 0; i < count && out.length < most; i += 1) out.push(ofLetter(match[1]));
  }
  return out;
}

/** Writes states as a run-length strip. */
export function encode(states: string): string {
  let out = '';
  for (let at = 0; at < states.length; ) {
    let end = at;
    while (end < states.length && states[end] === states[at]) end += 1;
    out += `${states[at]}${end - at}`;
    at = end;
  }
  return out;
}

/** Part of the height that a bar of each state takes. */
export const HEIGHT: Record<State, number> = { crit: 1, warn: 0.66, unk: 0.66, mnt: 0.3, ok: 0.3, off: 0.08 };

/** Part of a step that stays free between bars. */
const GAP = 0.34;

/** Free space in pixels between a maintenance bar and the cap that floats above it. */
const CAP_GAP = 2;

const round = (value: number): number => Math.round(value * 100) / 100;

/** One path for each state that occurs: at most six, whatever the number of periods. */
export function paths(states: readonly State[], width: number, height: number): [State, string][] {
  const step = width / Math.max(1, states.length);
  const bar = round(step * (1 - GAP));
  const out = new Map<State, string>();
  const add = (state: State, x: number, y: number, tall: number): void => {
    out.set(state, `${out.get(state) ?? ''}M${round(x)} ${round(y)}h${bar}v${round(tall)}h${-bar}z`);
  };
  for (const [index, state] of states.entries()) {
    const x = index * step;
    const tall = Math.max(1, height * HEIGHT[state]);
    if (state === 'unk') {
      // Two pieces, so that it does not read as a warning where colours are not seen.
      const piece = (tall - CAP_GAP) / 2;
      add(state, x, height - piece, piece);
      add(state, x, height - tall, piece);
    } else {
      add(state, x, height - tall, tall);
      if (state === 'mnt') add(state, x, height - tall - CAP_GAP * 2, CAP_GAP);
    }
  }
  return [...out];
}

/** Counts periods by state, for the words that stand for a strip. */
export function tally(states: readonly State[]): Record<State, number> {
  const out: Record<State, number> = { crit: 0, warn: 0, unk: 0, mnt: 0, ok: 0, off: 0 };
  for (const state of states) out[state] += 1;
  return out;
}

/** Path of a spark line in a box, with room for its dot; gaps stay gaps. Null when there is nothing to draw. */
export function spark(
  values: readonly (number | null)[],
  limit: number | null,
  width: number,
  height: number,
): { line: string; limit: number | null; dot: [number, number] | null } | null {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return null;
  const near = limit !== null ? [...known, limit] : known;
  const low = Math.min(...near);
  const high = Math.max(...near);
  const span = high - low || 1;
  const pad = 2.5;
  const x = (index: number): number => round(1 + (index / (values.length - 1)) * (width - 2 - pad));
  const y = (value: number): number => round(pad + (1 - (value - low) / span) * (height - 2 * pad));
  let line = '';
  let pen = false;
  let dot: [number, number] | null = null;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      pen = false;
      continue;
    }
    line += `${pen ? 'L' : 'M'}${x(index)} ${y(value)}`;
    pen = true;
    dot = [x(index), y(value)];
  }
  return { line, limit: limit === null ? null : y(limit), dot };
}
