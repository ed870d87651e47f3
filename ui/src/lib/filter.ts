// The filter grammar of lists: free words and `key:value` tokens, all of which must hold.
//
//   web site:fra            a word in name, address, system or sentence, and the tag
//   -site:sin state:crit    not in Singapore; only critical
//   cpu>80 disk>=90         values
//   "no heartbeat"          several words as one
import { ofAny, type State } from './state.ts';

/** One condition. */
export type Term =
  | { kind: 'word'; text: string; not: boolean }
  | { kind: 'tag'; key: string; value: string; not: boolean }
  | { kind: 'state'; state: State; not: boolean }
  | { kind: 'value'; name: 'cpu' | 'mem' | 'disk'; op: '>' | '>=' | '<' | '<='; limit: number; not: boolean };

/** What a filter asks of a row. */
export interface Subject {
  /** Name, address, system and sentence in one lower-case text. */
  text: string;
  tags: readonly string[];
  state: State;
  cpu: number | null;
  mem: number | null;
  disk: number | null;
}

const STATE_WORDS: Record<string, State> = { down: 'crit', healthy: 'ok', mnt: 'mnt', none: 'off', 'no-data': 'off' };
const VALUE = /^(cpu|mem|memory|disk)(>=|<=|>|<)(\d+(?:\.\d+)?)$/;

/** Reads a filter. Everything has a meaning: what is no token is a word. */
export function parse(source: string): Term[] {
  const terms: Term[] = [];
  for (const match of source.matchAll(/(-?)(?:"([^"]*)"?|(\S+))/g)) {
    const not = match[1] === '-';
    if (match[2] !== undefined) {
      if (match[2] !== '') terms.push({ kind: 'word', text: match[2].toLowerCase(), not });
      continue;
    }
    const token = (match[3] ?? '').toLowerCase();
    const value = VALUE.exec(token);
    if (value) {
      const name = value[1] === 'memory' ? 'mem' : (value[1] as 'cpu' | 'mem' | 'disk');
      terms.push({ kind: 'value', name, op: value[2] as '>', limit: Number(value[3]), not });
      continue;
    }
    const colon = token.indexOf(':');
    if (colon > 0 && colon < token.length - 1) {
      const key = token.slice(0, colon);
      const rest = token.slice(colon + 1);
      if (key === 'state') {
        const state = STATE_WORDS[rest] ?? ofAny(rest);
        terms.push({ kind: 'state', state, not });
      } else {
        terms.push({ kind: 'tag', key, value: rest, not });
      }
      continue;
    }
    if (token !== '' && token !== '-') terms.push({ kind: 'word', text: token.replace(/:$/, ''), not });
  }
  return terms;
}

function compare(value: number | null, op: '>' | '>=' | '<' | '<=', limit: number): boolean {
  if (value === null) return false;
  if (op === '>') return value > limit;
  if (op === '>=') return value >= limit;
  if (op === '<') return value < limit;
  return value <= limit;
}

function holds(term: Term, row: Subject): boolean {
  switch (term.kind) {
    case 'word':
      return row.text.includes(term.text) || row.tags.some((tag) => tag.toLowerCase().includes(term.text));
    case 'tag': {
      const whole = `${term.key}:${term.value}`;
      return row.tags.some((tag) => {
        const lower = tag.toLowerCase();
        // A started value matches, so that the list narrows while one types.
        return lower === whole || lower.startsWith(whole);
      });
    }
    case 'state':
      return row.state === term.state;
    case 'value':
      return compare(row[term.name], term.op, term.limit);
  }
}

/** Whether `row` passes every term. */
export const matches = (terms: readonly Term[], row: Subject): boolean => terms.every((term) => holds(term, row) !== term.not);
