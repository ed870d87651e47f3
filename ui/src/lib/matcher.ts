// What a silence covers, written and read as one line of words: hosts, checks and tags, each with wildcards.
import type { Matcher, Severity } from './api-types.ts';

const list = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** Makes a matcher of three fields. */
export function matcher(hosts: string, checks: string, tags: string, severity: Severity | null = null): Matcher {
  return { hosts: list(hosts), checks: list(checks), tags: list(tags), severity };
}

/** Whether a matcher asks for nothing, which would mean everything. */
export const isEmpty = (of: Matcher): boolean => of.hosts.length + of.checks.length + of.tags.length === 0 && of.severity === null;

/** Says a matcher in few words: `db-01 db-02`, `role:db · disk`. */
export function words(of: Matcher, everything: string): string {
  const most = 4;
  const short = (names: string[]): string => names.slice(0, most).join(' ') + (names.length > most ? ` +${names.length - most}` : '');
  const parts = [short(of.hosts), short(of.tags), short(of.checks), of.severity ?? ''].filter((part) => part !== '');
  return parts.length === 0 ? everything : parts.join(' · ');
}
