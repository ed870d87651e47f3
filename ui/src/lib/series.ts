// Series as charts need them: which series share a chart, rates of counters, new points, gaps.
import type { Metric, Series } from './api-types.ts';
import { checkLabel, unitWord } from './format.ts';

/** A chart of one host: a title and at most five lines of one unit. */
export interface ChartPlan {
  key: string;
  title: string;
  unit: string;
  lines: { path: string; label: string; rate: boolean }[];
  /** Lines beyond the five that are drawn. */
  more: number;
}

/** Lines in a chart before the rest is folded. */
export const MOST_LINES = 5;

interface Recipe {
  title: string;
  collector: string;
  metrics: [string, string][];
  /** Used when none of `metrics` is there. */
  instead?: [string, string][];
}

const RECIPES: Recipe[] = [
  {
    title: 'CPU',
    collector: 'cpu_monitor',
    metrics: [['cpu_percent', 'all'], ['user_percent', 'user'], ['system_percent', 'system'], ['iowait_percent', 'iowait'], ['steal_percent', 'steal']],
  },
  { title: 'Memory', collector: 'memory_monitor', metrics: [['percent', 'used'], ['swap_percent', 'swap']] },
  { title: 'Disk', collector: 'disk_monitor', metrics: [['percent', 'used']] },
  {
    title: 'Disk I/O',
    collector: 'diskio_monitor',
    metrics: [['read_bytes', 'read'], ['written_bytes', 'write']],
  },
  {
    title: 'Network',
    collector: 'network_monitor',
    metrics: [['receive_rate', 'in'], ['send_rate', 'out']],
    instead: [['received_bytes', 'in'], ['sent_bytes', 'out']],
  },
  { title: 'Load', collector: 'cpu_monitor', metrics: [['load_1min', '1 min'], ['load_5min', '5 min'], ['load_15min', '15 min']] },
];

/** Unit of the rate of a counter. */
export const rateUnit = (unit: string): string => (unitWord(unit) === 'bytes' ? 'bytes_per_second' : 'per_second');

/** File systems and devices that nobody asks for first. */
const MINOR = /^(lo|docker|veth|br-|loop|ram|dm-|\/boot|\/run|\/snap|\/dev)/;

/** The charts that a host opens with: the usual six by what it measures; `first` names a series that goes in front. */
export function plan(metrics: readonly Metric[], first: string | null = null): ChartPlan[] {
  const out: ChartPlan[] = [];
  for (const recipe of RECIPES) {
    const of = metrics.filter((metric) => metric.collector === recipe.collector);
    const instances = [...new Set(of.map((metric) => metric.instance))].sort(
      (a, b) => Number(MINOR.test(a)) - Number(MINOR.test(b)) || (a < b ? -1 : 1),
    );
    const usable = instances.filter((instance) => !MINOR.test(instance) || instances.length === 1);
    for (const instance of usable.length > 0 ? usable : instances) {
      const pick = (wanted: [string, string][]): ChartPlan['lines'] & { unit?: string } => {
        const lines: ChartPlan['lines'] = [];
        for (const [name, label] of wanted) {
          const metric = of.find((entry) => entry.metric === name && entry.instance === instance);
          if (metric) lines.push({ path: metric.path, label, rate: metric.kind === 'counter' });
        }
        return lines;
      };
      let lines = pick(recipe.metrics);
      if (lines.length === 0 && recipe.instead) lines = pick(recipe.instead);
      if (lines.length === 0) continue;
      const metric = of.find((entry) => entry.path === lines[0]?.path);
      const rate = lines[0]?.rate ?? false;
      out.push({
        key: lines[0]?.path ?? recipe.title,
        title: instance === '' ? recipe.title : `${recipe.title} ${instance}`,
        unit: rate ? rateUnit(metric?.unit ?? '') : unitWord(metric?.unit ?? ''),
        lines: lines.slice(0, MOST_LINES),
        more: Math.max(0, lines.length - MOST_LINES),
      });
    }
  }
  // Cpu has both the whole and its parts: the parts alone read better when they are there. What is asked for stays: it is what a limit is on.
  for (const chart of out) {
    if (chart.title === 'CPU' && chart.lines.length > 3) {
      const parts = chart.lines.filter((line) => line.label !== 'all').slice(0, 3);
      chart.lines = [...chart.lines.filter((line) => line.label === 'all' && line.path === first), ...parts];
    }
  }
  if (first !== null) {
    const at = out.findIndex((chart) => chart.lines.some((line) => line.path === first));
    if (at > 0) out.unshift(...out.splice(at, 1));
    if (at < 0) {
      const metric = metrics.find((entry) => entry.path === first);
      if (metric) out.unshift(single(metric));
    }
  }
  return out;
}

/** A chart of one series. */
export function single(metric: Metric): ChartPlan {
  const rate = metric.kind === 'counter';
  return {
    key: metric.path,
    title: checkLabel(metric.path),
    unit: rate ? rateUnit(metric.unit) : unitWord(metric.unit),
    lines: [{ path: metric.path, label: metric.metric.replaceAll('_', ' '), rate }],
    more: 0,
  };
}

/** Several paths in one parameter: a comma inside a path is written `%2C` before the whole is encoded. */
export const namesOf = (paths: readonly string[]): string => paths.map((path) => path.replaceAll(',', '%2C')).join(',');

/** `null` is a gap; `undefined` stands at times of others, across which a line goes on. */
type Column = readonly (number | null | undefined)[];

/**
 * Turns live samples of counters into change per second, as the server does for what is stored. The first sample of a
 * series gives nothing, and a step back is a reset.
 */
export class LiveRates {
  readonly #before = new Map<string, [number, number]>();

  /** The samples with rates in the place of counters; those that give no rate yet are left out. */
  turn(samples: Record<string, [number, number | null]>, isCounter: (path: string) => boolean): Record<string, [number, number | null]> {
    const out: Record<string, [number, number | null]> = {};
    for (const [path, [at, value]] of Object.entries(samples)) {
      if (!isCounter(path)) {
        out[path] = [at, value];
        continue;
      }
      const before = this.#before.get(path);
      if (value === null || (before && at <= before[0])) continue;
      this.#before.set(path, [at, value]);
      if (before && value >= before[1]) out[path] = [at, (value - before[1]) / (at - before[0])];
    }
    return out;
  }
}

/** Columns of a chart: times, then for each line average, lowest and highest. */
export interface Columns {
  at: number[];
  avg: (number | null | undefined)[][];
  min: (number | null | undefined)[][];
  max: (number | null | undefined)[][];
  /** Whether a point is more than one sample, so that a band says something. */
  banded: boolean;
}

/** Cuts the columns of one chart out of an answer. */
export function columns(series: Series, lines: ChartPlan['lines']): Columns {
  const out: Columns = { at: series.at_unix_s, avg: [], min: [], max: [], banded: false };
  const empty = (): null[] => new Array(series.at_unix_s.length).fill(null);
  for (const line of lines) {
    const at = series.names.indexOf(line.path);
    // Counters arrive as rates per second already.
    const avg: (number | null)[] = at < 0 ? empty() : (series.avg[at] ?? empty());
    const min: (number | null)[] = at < 0 ? empty() : (series.min[at] ?? avg);
    const max: (number | null)[] = at < 0 ? empty() : (series.max[at] ?? avg);
    out.avg.push(avg);
    out.min.push(min);
    out.max.push(max);
    out.banded ||= avg.some((value, index) => value !== null && ((min[index] ?? value) < value - 1e-9 || (max[index] ?? value) > value + 1e-9));
  }
  return out;
}

/** Adds live points to an answer and lets the window move on. Returns a new answer, or null when nothing changed. */
export function extend(series: Series, samples: Record<string, [number, number | null]>, to: number): Series | null {
  const fresh = new Map<number, [number, number | null][]>();
  const last = series.at_unix_s.at(-1) ?? 0;
  for (const [path, [exact, value]] of Object.entries(samples)) {
    const index = series.names.indexOf(path);
    // Stored points are in whole seconds: the same sample must not stand there twice.
    const at = Math.floor(exact);
    if (index < 0 || at <= last) continue;
    fresh.set(at, [...(fresh.get(at) ?? []), [index, value]]);
  }
  if (fresh.size === 0) return null;
  const width = series.to_unix_s - series.from_unix_s;
  const from = to - width;
  const at = [...series.at_unix_s];
  const copy = (columns: (number | null)[][]): (number | null)[][] => columns.map((column) => [...column]);
  const min = copy(series.min);
  const avg = copy(series.avg);
  const max = copy(series.max);
  for (const [time, values] of [...fresh].sort((a, b) => a[0] - b[0])) {
    at.push(time);
    for (let index = 0; index < series.names.length; index += 1) {
      const value = values.find(([which]) => which === index)?.[1] ?? null;
      for (const columns of [min, avg, max]) columns[index]?.push(value);
    }
  }
  let cut = 0;
  while (cut < at.length && (at[cut] ?? 0) < from) cut += 1;
  if (cut > 0) for (const columns of [[at], min, avg, max]) for (const column of columns) column.splice(0, cut);
  return { ...series, at_unix_s: at, min, avg, max, from_unix_s: from, to_unix_s: to };
}

/** How many times the distance beside it a distance may be before it is a gap: a sample or two that were lost leave none. */
const LOST = 3;

/**
 * Spans in which nothing was measured. What is usual is judged where it is, by the distances right before and after, since an
 * agent's interval changes: measured over the whole, each sample of the slower part would stand alone. Two silences of about the
 * same length with one sample between them look like an interval, and are drawn as one.
 */
export function gaps(at: readonly number[], values: readonly Column[], step: number): [number, number][] {
  const measured = at.filter((_, index) => values.some((column) => column[index] !== null && column[index] !== undefined));
  const distances = apart(measured);
  // Of two points alone there is nothing beside: then the times at which something could have been measured say what is usual.
  const alone = distances.length === 1 ? (apart(at).sort((a, b) => a - b)[Math.floor((at.length - 1) / 2)] ?? 0) : 0;
  const out: [number, number][] = [];
  for (const [index, distance] of distances.entries()) {
    const usual = Math.max(step, alone, distances[index - 1] ?? 0, distances[index + 1] ?? 0);
    if (distance > usual * LOST + 1) out.push([measured[index] as number, measured[index + 1] as number]);
  }
  return out;
}

const apart = (at: readonly number[]): number[] => at.slice(1).map((time, index) => time - (at[index] ?? time));

/** Places of values that have no neighbour to draw a line to: they are shown as points. */
export function lonely(values: Column): number[] {
  // Times of others are passed over: what counts is the next place at which this line has a value or a gap.
  const beside = (from: number, by: -1 | 1): boolean => {
    let index = from + by;
    while (values[index] === undefined && index >= 0 && index < values.length) index += by;
    return values[index] !== null && values[index] !== undefined;
  };
  return [...values.keys()].filter((index) => values[index] !== null && values[index] !== undefined && !beside(index, -1) && !beside(index, 1));
}

/**
 * Leaves out the times at which none of these lines was measured (another chart's series was), and puts an empty point into each
 * gap: so a line is drawn from sample to sample, and across no silence.
 */
export function open(columns: Columns, step: number): Columns {
  const missing = gaps(columns.at, columns.avg, step);
  const out: Columns = { at: [], avg: columns.avg.map(() => []), min: columns.min.map(() => []), max: columns.max.map(() => []), banded: columns.banded };
  const parts = ['avg', 'min', 'max'] as const;
  let next = 0;
  for (const [index, time] of columns.at.entries()) {
    if (columns.avg.every((column) => column[index] === null || column[index] === undefined)) continue;
    const gap = missing[next];
    if (gap && time > gap[0]) {
      out.at.push(gap[0] + 1);
      for (const part of parts) for (const column of out[part]) column.push(null);
      next += 1;
    }
    out.at.push(time);
    for (const part of parts) columns[part].forEach((column, line) => out[part][line]?.push(column[index] ?? null));
  }
  return out;
}

/** Lowest, highest and last value of a line, for the words that stand for a chart. */
export function summary(values: Column): { last: number | null; low: number | null; high: number | null } {
  let last: number | null = null;
  let low: number | null = null;
  let high: number | null = null;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    last = value;
    low = low === null || value < low ? value : low;
    high = high === null || value > high ? value : high;
  }
  return { last, low, high };
}
