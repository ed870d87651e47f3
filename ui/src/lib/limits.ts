// Limits as they are written: a tree of collector, perhaps instance, and metric. A form shows one row for each metric.
import type { Field } from './config-form.ts';
import type { Json } from './config-types.ts';

export type Limits = { [key: string]: Json };

/** The limits of one metric, and the keys that lead to it. */
export interface LimitRow {
  path: string[];
  limits: Limits;
}

/** Deeper than any way to a metric; what stands there is no tree of limits. */
const DEEPEST = 6;

const isMap = (value: Json | undefined): value is Limits => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a value stands for itself: what was typed as YAML does, too. */
const isPlain = (value: Json): boolean => !isMap(value) || '$yaml' in value;

/** What is derived from a metric: a section below it with limits of its own. */
const DERIVED = ['growth', 'full_in', 'deviation', 'absent_after'];

/** Whether a map is the limits of a metric, as the server tells it: one of their keys has a plain value, or nothing is below. */
function isLeaf(map: Limits, keys: ReadonlySet<string>, depth: number): boolean {
  const entries = Object.entries(map);
  if (depth > 1 && DERIVED.some((key) => key in map)) return true;
  const repair = map['repair'];
  if (isMap(repair) && 'action' in repair) return true;
  return entries.some(([key, inner]) => keys.has(key) && isPlain(inner)) || entries.every(([, inner]) => isPlain(inner));
}

/** Takes a tree apart, above which there may be a collector; `null` if it is none that a form could show without losing something. */
export function rowsOf(tree: Json | undefined, keys: ReadonlySet<string>, above = 0): LimitRow[] | null {
  const rows: LimitRow[] = [];
  const walk = (map: Limits, path: string[]): boolean => {
    if (path.length >= DEEPEST) return false;
    return Object.entries(map).every(([key, inner]) => {
      if (!isMap(inner) || key.startsWith('x-') || key === '$yaml') return false;
      const at = [...path, key];
      if (!isLeaf(inner, keys, at.length + above)) return walk(inner, at);
      rows.push({ path: at, limits: inner });
      return true;
    });
  };
  if (tree === undefined || tree === null) return rows;
  return isMap(tree) && walk(tree, []) ? rows : null;
}

/** Puts rows together again. */
export function treeOf(rows: readonly LimitRow[]): { [key: string]: Json } {
  const tree: { [key: string]: Json } = {};
  for (const { path, limits } of rows) {
    let at = tree;
    for (const key of path.slice(0, -1)) {
      const inner = at[key];
      const next: Limits = isMap(inner) ? inner : {};
      at[key] = next;
      at = next;
    }
    const last = path.at(-1);
    if (last !== undefined) at[last] = { ...limits };
  }
  return tree;
}

/** The keys that lead to what was typed into the fields of a new row; `null` while something is missing. */
export function pathOf(collector: string | null, instance: string, metric: string): string[] | null {
  const [of, at, name] = [collector?.trim() ?? null, instance.trim(), metric.trim()];
  if (of === '' || (name === '' && of !== 'rtt') || (of === 'rtt' && at === '')) return null;
  return [...(of === null ? [] : [of]), ...(at === '' ? [] : [at]), ...(of === 'rtt' ? [] : [name])];
}

/** What a row is called: the way to it without what stands between collector and instance for the older tool's sake. */
export const labelOf = (path: readonly string[]): string => path.filter((key) => key !== 'partitions').join(' ');

/** What stands together in a form, after the levels: one says little without the others. */
const GROUPS = {
  levels: ['warning', 'critical'],
  confirm: ['attempts', 'for', 'clear_attempts', 'keep_firing_for'],
  compare: ['operator', 'hysteresis', 'warning_clear', 'critical_clear'],
  window: ['over', 'by'],
  growth: ['growth'],
  full: ['full_in'],
  usual: ['deviation'],
  absent: ['absent_after', 'on_stale'],
  repair: ['repair'],
  more: [],
} as const satisfies Record<string, readonly string[]>;

export interface KeyGroup<Name = keyof typeof GROUPS> {
  name: Name;
  fields: Field[];
}

/** A group that is opened by hand: the levels are always there. */
export const isPart = (group: KeyGroup): group is KeyGroup<Exclude<KeyGroup['name'], 'levels'>> => group.name !== 'levels';

/** Sorts the keys of limits into groups, the levels first. What no group names is of the derived itself, or waits at the end. */
export function groupsOf(fields: readonly Field[], derived: boolean): KeyGroup[] {
  const names = (Object.keys(GROUPS) as KeyGroup['name'][]).filter((name) => !derived || name !== 'window');
  const groups: KeyGroup[] = names.map((name) => {
    const keys: readonly string[] = GROUPS[name];
    return { name, fields: keys.flatMap((key) => fields.filter((field) => field.key === key)) };
  });
  const named = new Set(groups.flatMap((group) => group.fields));
  const rest = fields.filter((field) => !named.has(field));
  (derived ? groups[0] : groups.at(-1))?.fields.push(...rest);
  return groups.filter((group) => group.fields.length > 0);
}
