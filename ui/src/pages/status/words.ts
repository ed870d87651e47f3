// Status pages as the API has them, and what the page makes of their words.
import type { State } from '../../lib/state.ts';
import { typed } from '../../lib/zone.ts';

export type ComponentState = 'operational' | 'no_data' | 'maintenance' | 'degraded' | 'partial_outage' | 'major_outage';
export type Kind = 'incident' | 'maintenance';
export type Stage = 'investigating' | 'identified' | 'monitoring' | 'resolved' | 'scheduled' | 'in_progress' | 'completed';
export const IMPACTS = ['none', 'degraded', 'partial_outage', 'major_outage'] as const;
export type Impact = (typeof IMPACTS)[number];

export interface StatusPage {
  page: string;
  title: string;
  path: string;
  domains: string[];
  public: boolean;
  state: ComponentState;
  headline: string;
  components: { id: string; name: string; group: string; state: ComponentState }[];
  open: number;
  may_publish: boolean;
}

export interface PublicIncident {
  id: number;
  page: string;
  version: number;
  stage: Stage;
  kind: Kind;
  title: string;
  components: string[];
  impact: Impact;
  from_at: string;
  until_at: string | null;
  closed_at: string | null;
  updates: { at: string; stage: Stage; text: string; by: string }[];
}

/** The shape that a state has everywhere on the page. */
export const SHAPES: Record<ComponentState, State> = {
  operational: 'ok',
  no_data: 'off',
  maintenance: 'mnt',
  degraded: 'warn',
  partial_outage: 'warn',
  major_outage: 'crit',
};

/** What can be said of a kind, in order. */
export const STAGES: Record<Kind, Stage[]> = {
  incident: ['investigating', 'identified', 'monitoring', 'resolved'],
  maintenance: ['scheduled', 'in_progress', 'completed'],
};

/** Whether more is to come at `now`: work that nobody has said to be done is over when it was to be. */
export function isOpen(one: Pick<PublicIncident, 'closed_at' | 'until_at'>, now: number): boolean {
  return one.closed_at === null && (one.until_at === null || Date.parse(one.until_at) / 1000 > now);
}

/** The moment that such a field names, as the API has it; null if it names none. */
export function moment(value: string): string | null {
  const at = typed(value);
  return Number.isNaN(at) ? null : new Date(at * 1000).toISOString();
}

/** What another page shows a badge with. */
export const badge = (origin: string, page: StatusPage): string => `<a href="${origin}${page.path}"><img src="${origin}${page.path}/badge.svg" alt="Status"></a>`;
