// Several answers on one time axis: a host beside others, and beside itself a week before.
import type { HostSeries, Series } from './api-types.ts';
import { type ChartPlan, columns, type Columns, MOST_LINES, open } from './series.ts';

/** Shifts that a chart can be compared with, in seconds. */
export const SHIFTS = { '1d': 86_400, '7d': 604_800, '28d': 2_419_200, '1y': 31_449_600 } as const;
export type Shift = keyof typeof SHIFTS;

/** The shift of a word; null for any other word. A year is 52 weeks: the same day of the week. */
export const shiftOf = (word: string | null): Shift | null => (word !== null && Object.hasOwn(SHIFTS, word) ? (word as Shift) : null);

/** Lines of one answer in a chart. */
export interface Layer {
  series: Series;
  lines: ChartPlan['lines'];
  /** Seconds that its times are moved by. */
  shift: number;
  /** `before` is drawn thin, dashed and grey. */
  tone: 'own' | 'other' | 'before';
}

/** What stands in a chart beside its own series. */
export interface Beside {
  before: { series: Series; shift: Shift } | null;
  across: HostSeries[];
  /** Hosts of the tag that are not there. */
  more: number;
}

export const NOTHING_BESIDE: Beside = { before: null, across: [], more: 0 };

/** Whom and when a reader wants to see beside. */
export interface Choice {
  hosts: string[];
  tag: string | null;
  shift: Shift | null;
}

/** Reads the choice of an address. */
export function choice(get: (name: string) => string | null): Choice {
  const hosts = (get('with') ?? '').split(',').filter(Boolean);
  return { hosts, tag: hosts.length > 0 ? null : get('with_tag'), shift: shiftOf(get('compare')) };
}

/** Hosts that a chart has room for beside the first. */
export const MOST_OTHERS = MOST_LINES - 1;

/** A line of the joined columns. */
export interface Line {
  label: string;
  tone: Layer['tone'];
}

/** Puts layers together. With other hosts a chart has one line of each: the first of its plan. */
export function layers(plan: ChartPlan, host: string, series: Series, beside: Beside, words: (label: string, shift: Shift) => string): Layer[] {
  const first = plan.lines[0];
  if (!first) return [];
  const others = beside.across.filter((one) => one.host !== host && one.series.names.includes(first.path)).slice(0, MOST_OTHERS);
  const own = others.length === 0 ? plan.lines : [{ ...first, label: host }];
  const out: Layer[] = [{ series, lines: own, shift: 0, tone: 'own' }];
  for (const one of others) out.push({ series: one.series, lines: [{ ...first, label: one.host }], shift: 0, tone: 'other' });
  if (beside.before) {
    const { series: before, shift } = beside.before;
    // One line of the past is read at a glance, five are not.
    out.push({ series: before, lines: [{ ...first, label: words(own[0]?.label ?? first.label, shift) }], shift: SHIFTS[shift], tone: 'before' });
  }
  return out;
}

/** Returns how many hosts there are that no line stands for. */
export function unseen(plan: ChartPlan, host: string, beside: Beside): number {
  const path = plan.lines[0]?.path;
  const others = beside.across.filter((one) => one.host !== host && path !== undefined && one.series.names.includes(path)).length;
  return Math.max(0, others - MOST_OTHERS) + beside.more;
}

/** The lines of layers, in the order of the joined columns. */
export const linesOf = (all: readonly Layer[]): Line[] => all.flatMap((layer) => layer.lines.map((line) => ({ label: line.label, tone: layer.tone })));

/**
 * Joins layers on one axis: a column has `null` where there is a gap, and `undefined` at the times of others, across which its line
 * goes on. The band from lowest to highest is that of the first layer.
 */
export function joined(all: readonly Layer[]): Columns {
  const parts = all.map((layer) => {
    const part = open(columns(layer.series, layer.lines), layer.series.step_s);
    return layer.shift === 0 ? part : { ...part, at: part.at.map((time) => time + layer.shift) };
  });
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const at = [...new Set(parts.flatMap((part) => part.at))].sort((a, b) => a - b);
  const place = new Map(at.map((time, index) => [time, index]));
  const out: Columns = { at, avg: [], min: [], max: [], banded: only?.banded ?? false };
  for (const part of parts) {
    for (const key of ['avg', 'min', 'max'] as const) {
      for (const column of part[key]) {
        const wide = new Array<number | null | undefined>(at.length).fill(undefined);
        part.at.forEach((time, index) => {
          wide[place.get(time) ?? 0] = column[index] ?? null;
        });
        out[key].push(wide);
      }
    }
  }
  return out;
}

/** The value of a column at a place, or the last before it where only others have one. */
export function valueAt(column: readonly (number | null | undefined)[], place: number): number | null {
  for (let index = place; index >= 0; index -= 1) {
    const value = column[index];
    if (value !== undefined) return value;
  }
  return null;
}

/** Parts of a list with at most `size` each. */
export function batches<T>(all: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let from = 0; from < all.length; from += size) out.push(all.slice(from, from + size));
  return out;
}
