// What all hosts measure, as the view of the metrics filters, orders and leads on.
import type { MetricOnHost, MetricSummary } from './api-types.ts';
import { query } from './api.ts';
import { checkLabel } from './format.ts';
import { MOST_OTHERS } from './layers.ts';

export const ORDERS = ['name', 'collector', 'hosts'] as const;
export type Order = (typeof ORDERS)[number];

/** What hark measures itself is said in words, what others measure by the name that they gave it. */
export const label = (one: MetricSummary): string => (one.collector.endsWith('_monitor') ? checkLabel(`${one.collector}.${one.metric}`) : one.name);

/** Those that fit the words, and one collector if that is asked for; by name, or in an order. */
export function listed(all: readonly MetricSummary[], words: string, collector: string, order: Order, down: boolean): MetricSummary[] {
  const low = words.trim().toLowerCase();
  const says = (one: MetricSummary): string => `${label(one)} ${one.name} ${one.collector}.${one.metric}`.toLowerCase();
  const key = (one: MetricSummary): string => (order === 'collector' ? one.collector : label(one).toLowerCase());
  const compare = (a: MetricSummary, b: MetricSummary): number => (order === 'hosts' ? b.hosts - a.hosts : 0) || key(a).localeCompare(key(b)) || a.name.localeCompare(b.name);
  return all.filter((one) => says(one).includes(low) && (collector === '' || one.collector === collector)).sort((a, b) => (down ? compare(b, a) : compare(a, b)));
}

/** Where the chart of a series is; `others` are drawn beside it. */
export const chartOf = (one: MetricOnHost, others: readonly string[] = []): string => `/hosts/${encodeURIComponent(one.host)}${query({ tab: 'metrics', charts: one.path, with: others.join(',') })}`;

/** One chart of the first hosts that have the same series: as many as a chart has lines; null where there is nothing to compare. */
export function together(rows: readonly MetricOnHost[]): { to: string; hosts: number } | null {
  const [first] = rows;
  if (first === undefined) return null;
  const others = rows.filter((one) => one.path === first.path && one.host !== first.host).slice(0, MOST_OTHERS);
  return others.length === 0 ? null : { to: chartOf(first, others.map((one) => one.host)), hosts: others.length + 1 };
}
