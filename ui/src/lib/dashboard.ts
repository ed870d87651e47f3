// Dashboards as plain values: what variables stand for, how panels are moved and sized, what is drawn in a chart.
import type { Across, DashboardContent, HostSeries, Panel, Series } from './api-types.ts';
import { checkLabel, unitWord } from './format.ts';
import type { Layer, Shift } from './layers.ts';
import { SHIFTS } from './layers.ts';
import { MOST_LINES, rateUnit, type ChartPlan } from './series.ts';

/** Columns of the grid. */
export const COLUMNS = 12;
const LEAST_WIDTH = 2;
const MOST_HEIGHT = 6;

/** What the reader has chosen. */
export interface Chosen {
  host: string;
  tag: string;
}

/** The choice in an address, or the one that the dashboard opens with. */
export function chosen(content: DashboardContent, get: (name: string) => string | null): Chosen {
  return { host: get('host') ?? content.variables.host ?? '', tag: get('tag') ?? content.variables.tag ?? '' };
}

/** Whom a panel is about: hosts, or a tag; neither is everybody. `open` waits for a choice of the reader. */
export interface About {
  hosts: string[];
  tag: string | null;
  open: boolean;
}

/** Puts the choice in the place of the variables. */
export function about(panel: Panel, choice: Chosen): About {
  const hosts = panel.hosts.map((host) => (host === '$host' ? choice.host : host)).filter((host) => host !== '');
  const tag = panel.tag === '$tag' ? choice.tag : panel.tag;
  const open = (panel.hosts.includes('$host') && choice.host === '') || (panel.tag === '$tag' && choice.tag === '');
  return { hosts: [...new Set(hosts)], tag: tag === '' ? null : tag, open };
}

/** The title of a panel with the choice in it. */
export const titled = (panel: Panel, choice: Chosen): string => panel.title.replaceAll('$host', choice.host || '$host').replaceAll('$tag', choice.tag || '$tag');

/** Whether a host with these tags is one of those that a panel is about. */
export function isAbout(of: About, host: string, tags: readonly string[]): boolean {
  if (of.hosts.length > 0) return of.hosts.includes(host);
  if (of.tag !== null) return tags.includes(of.tag);
  return !of.open;
}

/** A panel in the page: `key` stays while it is moved. */
export interface Placed {
  key: number;
  panel: Panel;
}

/** Moves the one at `from` to the place `to`. */
export function moved<T>(all: readonly T[], from: number, to: number): T[] {
  const out = [...all];
  const [one] = out.splice(from, 1);
  if (one === undefined) return out;
  out.splice(Math.max(0, Math.min(out.length, to)), 0, one);
  return out;
}

/** Makes a panel wider or higher, within the bounds. */
export function sized(panel: Panel, width: number, height: number): Panel {
  const within = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, Math.round(value)));
  return { ...panel, width: within(width, LEAST_WIDTH, COLUMNS), height: within(height, 1, MOST_HEIGHT) };
}

/** A panel as it begins. */
export const newPanel = (kind: Panel['kind'], content: DashboardContent): Panel => ({
  kind,
  title: '',
  width: kind === 'value' ? 3 : 6,
  height: kind === 'value' || kind === 'text' ? 1 : 3,
  hosts: content.variables.host !== null && (kind === 'chart' || kind === 'value') ? ['$host'] : [],
  tag: null,
  metrics: [],
  compare: null,
  text: '',
});

/** A dashboard that says nothing yet. */
export const emptyContent = (title: string): DashboardContent => ({
  title,
  description: '',
  shared: { everyone: false, users: [], teams: [] },
  range: '',
  variables: { host: null, tag: null },
  panels: [],
});

/** What is drawn for an answer: a line for each host and series, at most five. */
export interface Drawn {
  plan: ChartPlan;
  layers: Layer[];
  more: number;
}

/** Turns an answer into a chart. Null if nothing of it is there. */
export function drawn(key: string, title: string, metrics: readonly string[], answer: Across, before: { series: Series; shift: Shift; label: string } | null): Drawn | null {
  const [first] = answer.items;
  if (!first) return null;
  const many = answer.items.length > 1;
  const label = (host: string, path: string): string => (many ? (metrics.length > 1 ? `${host} ${checkLabel(path)}` : host) : checkLabel(path));
  const layers: Layer[] = [];
  let left = MOST_LINES;
  let lines = 0;
  for (const [index, item] of answer.items.entries()) {
    lines += metrics.length;
    if (left === 0) continue;
    const taken = metrics.slice(0, left);
    left -= taken.length;
    layers.push({ series: item.series, lines: taken.map((path) => ({ path, label: label(item.host, path), rate: false })), shift: 0, tone: index === 0 ? 'own' : 'other' });
  }
  const path = metrics[0] ?? '';
  if (before) layers.push({ series: before.series, lines: [{ path, label: before.label, rate: false }], shift: SHIFTS[before.shift], tone: 'before' });
  const { series } = first;
  const unit = series.units[0] ?? '';
  const plan: ChartPlan = {
    key,
    title,
    unit: series.kinds[0] === 'counter' ? rateUnit(unit) : unitWord(unit),
    lines: metrics.map((one) => ({ path: one, label: checkLabel(one), rate: false })),
    more: 0,
  };
  return { plan, layers, more: Math.max(0, lines - MOST_LINES) + answer.more * metrics.length };
}

/** The newest value of each host that has one. */
export function newest(items: readonly HostSeries[], path: string): { host: string; path: string; value: number; at: number; unit: string }[] {
  const out: ReturnType<typeof newest> = [];
  for (const { host, series } of items) {
    const place = series.names.indexOf(path);
    const values = series.avg[place] ?? [];
    const last = values.findLastIndex((value) => value !== null);
    const value = values[last];
    if (value === null || value === undefined) continue;
    const unit = series.units[place] ?? '';
    out.push({ host, path, value, at: series.at_unix_s[last] ?? 0, unit: series.kinds[place] === 'counter' ? rateUnit(unit) : unitWord(unit) });
  }
  return out;
}

/** A text in paragraphs, each in words and addresses: only the latter become links. */
export function paragraphs(text: string): { link: boolean; text: string }[][] {
  return text
    .split(/\n\s*\n/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) =>
      part
        .split(/(https?:\/\/[^\s<>"')]+)/)
        .filter((piece) => piece !== '')
        .map((piece) => ({ link: /^https?:\/\//.test(piece), text: piece })),
    );
}

/** Names in a field, parted by commas or spaces. */
/** Who may look at it, as one reads and writes it: users by their names, teams as routes name them. */
export const whomIn = (shared: DashboardContent['shared']): string[] => [...shared.users, ...shared.teams.map((team) => `team:${team}`)];
export function sharedIn(text: string): Pick<DashboardContent['shared'], 'users' | 'teams'> {
  const names = namesIn(text);
  return { users: names.filter((name) => !name.startsWith('team:')), teams: names.filter((name) => name.startsWith('team:')).map((name) => name.slice(5)) };
}
export const namesIn = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter(Boolean))];
