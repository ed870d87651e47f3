// What the parts of a host's page share: its tabs and ranges, and how its checks are ordered and written.
import type { Check, SiteSays } from '../../lib/api-types.ts';
import { NOTHING, quantity, say, told } from '../../lib/format.ts';
import type { Shift } from '../../lib/layers.ts';
import { ofStatus, rank, type State } from '../../lib/state.ts';
import { t } from '../../messages/index.ts';

export const RANGES: [string, number][] = [
  ['1h', 3600],
  ['6h', 21_600],
  ['24h', 86_400],
  ['7d', 604_800],
  ['30d', 2_592_000],
  ['1y', 31_536_000],
];

export const TABS = ['overview', 'metrics', 'checks', 'events', 'actions'] as const;
export type Tab = (typeof TABS)[number];

/** Returns the checks, the worst first. */
export const worstFirst = (checks: Check[]): Check[] =>
  [...checks].sort((a, b) => rank(ofStatus(a.hard)) - rank(ofStatus(b.hard)) || rank(ofStatus(a.status)) - rank(ofStatus(b.status)) || (a.name < b.name ? -1 : 1));

/** Whether a check is out of sight: it is hidden, and nothing is wrong with it. */
export const isOutOfSight = (check: Check): boolean => check.hidden && [check.hard, check.status].every((status) => ['ok', 'off'].includes(ofStatus(status)));

/** The value has a column of its own: a text that is nothing else gives way to the word of the state. */
export const resultOf = (check: Check): string => (/^-?[\d.]*$/.test(check.text) ? t(`status.${check.hard}`) : told(check.text));

export const valueOf = (check: Check): string => (check.fresh === 'stale' ? NOTHING : quantity(check.value, check.unit));

/** What a site says that has nothing to say it with, the worst first; those that do not count come last. */
export const bySite = (sites: SiteSays[]): (SiteSays & { state: State })[] =>
  sites
    .map((one) => ({ ...one, text: one.text === '' ? t(`status.${one.status}`) : told(one.text), state: ofStatus(one.status) }))
    .sort((a, b) => Number(b.counts) - Number(a.counts) || rank(a.state) - rank(b.state) || (a.site < b.site ? -1 : 1));

/** A sentence ends with a full stop, whoever wrote it. */
export const sentence = (text: string): string => (/[.!?…]$/.test(text) ? say(text) : `${say(text)}.`);

/** The name of a line of an earlier time. */
export const earlier = (label: string, shift: Shift): string => t('beside.line', { name: label, shift: t(`beside.shift.${shift}`) });
