// What all hosts are checked for, as the view of the checks groups, filters and orders it.
import type { CheckSummary } from './api-types.ts';
import { checkLabel } from './format.ts';
import { rank, type State } from './state.ts';

/** By what the table can be in order. */
export const ORDERS = ['name', 'kind', 'hosts', 'interval', 'failing', 'p95', 'changed'] as const;
export type Order = (typeof ORDERS)[number];

/** How many of them are bad. */
export const bad = (one: CheckSummary): number => one.critical + one.warning + one.unknown;

/** The worst that one of them says. */
export const worst = (one: CheckSummary): State => (one.critical > 0 ? 'crit' : one.warning > 0 ? 'warn' : one.unknown > 0 ? 'unk' : one.ok > 0 ? 'ok' : 'off');

/** What stands under kinds. */
export const kindOf = (one: CheckSummary): string => one.kinds.join(', ');

/** Kinds that hark watches by itself: there is nothing to set. */
const OWN = new Set(['host', 'agent', 'clock', 'server', 'reported']);

/** The object of the configuration that a check follows from; null for what hark or an agent does by itself. */
export function objectOf(one: CheckSummary): { section: string; name: string } | null {
  if (one.kinds.length === 0 || one.kinds.every((kind) => OWN.has(kind))) return null;
  if (!one.kinds.includes('limit')) return { section: 'checks', name: one.check };
  // Limits stand under the collector: that of `disk_monitor./var.percent` is `disk_monitor`, that of round trips `rtt`.
  return { section: 'thresholds', name: one.check.split('.')[0] ?? one.check };
}

const key = (one: CheckSummary, order: Order): number | string => {
  switch (order) {
    case 'name':
      return checkLabel(one.check).toLowerCase();
    case 'kind':
      return kindOf(one);
    case 'hosts':
      return one.hosts;
    case 'interval':
      return one.interval_seconds ?? Number.POSITIVE_INFINITY;
    case 'failing':
      return bad(one);
    case 'p95':
      return one.p95_seconds ?? -1;
    case 'changed':
      return one.changed_at ?? '';
  }
};

/** Rows of a list with those of its next page: a host whose state has changed meanwhile stands on both. */
export function further<T extends { host: string }>(rows: readonly T[], page: readonly T[]): T[] {
  const known = new Set(rows.map((row) => row.host));
  return [...rows, ...page.filter((row) => !known.has(row.host))];
}

/** Those that fit the words, the kind, and, if that is asked for, fail somewhere. */
export function fitting(all: readonly CheckSummary[], words: string, kind: string, failing: boolean): CheckSummary[] {
  const low = words.trim().toLowerCase();
  const says = (one: CheckSummary): string => `${one.check} ${checkLabel(one.check)} ${one.description ?? ''} ${one.host ?? ''}`.toLowerCase();
  return all.filter((one) => says(one).includes(low) && (kind === '' || one.kinds.includes(kind)) && (!failing || bad(one) > 0));
}

/** In an order, such as `name` or `-p95`; what is alike stays as it was: the worst first. */
export function ordered(all: readonly CheckSummary[], order: Order, down: boolean): CheckSummary[] {
  const compare = (a: CheckSummary, b: CheckSummary): number => {
    const [x, y] = [key(a, order), key(b, order)];
    return x < y ? -1 : x > y ? 1 : 0;
  };
  return [...all].sort((a, b) => (down ? compare(b, a) : compare(a, b)));
}

export interface Group {
  kind: string;
  checks: CheckSummary[];
}

/** By kind: the kind with the worst check first, within it the worst first. `all` has the worst first. */
export function grouped(all: readonly CheckSummary[]): Group[] {
  const groups = new Map<string, CheckSummary[]>();
  for (const one of all) groups.set(kindOf(one), [...(groups.get(kindOf(one)) ?? []), one]);
  const least = (checks: CheckSummary[]): number => Math.min(...checks.map((one) => rank(worst(one))));
  return [...groups].map(([kind, checks]) => ({ kind, checks })).sort((a, b) => least(a.checks) - least(b.checks) || a.kind.localeCompare(b.kind));
}
