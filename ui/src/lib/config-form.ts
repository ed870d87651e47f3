// From the keys of the configuration to the fields of a form, and back to what is sent.
import type { ConfigMistake, Json, Schema } from './config-types.ts';

/** What a field is. */
export type FieldKind =
  | { is: 'text' }
  | { is: 'value' }
  | { is: 'number'; whole: boolean }
  | { is: 'bool' }
  | { is: 'duration' }
  | { is: 'size' }
  | { is: 'secret' }
  | { is: 'word'; words: string[] }
  | { is: 'list'; of: Schema; single: boolean }
  | { is: 'section' }
  | { is: 'named'; of: Schema }
  | { is: 'limits'; of: Schema; metrics: Record<string, string[]> }
  | { is: 'yaml' };

const types = (schema: Schema): string[] => (schema.type === undefined ? [] : Array.isArray(schema.type) ? schema.type : [schema.type]);

/** Says which field a key needs. What has no form of its own is written as YAML. */
export function kindOf(schema: Schema): FieldKind {
  if (schema['x-kind'] === 'duration') return { is: 'duration' };
  if (schema['x-kind'] === 'size') return { is: 'size' };
  if (schema['x-kind'] === 'secret') return { is: 'secret' };
  if (schema['x-kind'] === 'limits' && schema['x-limits']) return { is: 'limits', of: schema['x-limits'], metrics: schema['x-metrics'] ?? {} };
  if (schema.enum) return { is: 'word', words: schema.enum };
  if (schema.properties) return { is: 'section' };
  if (typeof schema.additionalProperties === 'object') return { is: 'named', of: schema.additionalProperties };
  if (schema.items) return simple(schema.items) ? { is: 'list', of: schema.items, single: false } : listOf(schema.items, false);
  const [one, many] = schema.anyOf ?? [];
  if (one && schema.anyOf?.length === 2 && many?.items && same(one, many.items)) return simple(one) ? { is: 'list', of: one, single: true } : listOf(one, true);
  if (limitsOf(schema)) return { is: 'section' };
  if (schema.anyOf?.every((inner) => types(inner).length > 0 && !inner.properties && !inner.items && !types(inner).some((kind) => kind === 'object' || kind === 'array'))) return { is: 'value' };
  const kinds = types(schema);
  if (kinds.includes('string')) return { is: 'text' };
  if (kinds.includes('boolean')) return { is: 'bool' };
  if (kinds.includes('integer') || kinds.includes('number')) return { is: 'number', whole: kinds.includes('integer') };
  return { is: 'yaml' };
}

/** Limits that may be written short, as where warning begins: the section that says the same in full. */
export const limitsOf = (schema: Schema): Schema | undefined => schema.anyOf?.find((inner) => inner.properties?.['warning'] !== undefined);

const same = (a: Schema, b: Schema): boolean => JSON.stringify(a) === JSON.stringify(b);

function listOf(of: Schema, single: boolean): FieldKind {
  const kind = kindOf(of);
  return kind.is === 'yaml' || kind.is === 'list' ? { is: 'yaml' } : { is: 'list', of, single };
}

/** Whether the items of a list are words, which need one line each and no more. */
export function simple(of: Schema): boolean {
  const kind = kindOf(of).is;
  return kind === 'text' || kind === 'value' || kind === 'word' || kind === 'duration' || kind === 'size' || kind === 'number';
}

/** A key of a section with what it is. */
export interface Field {
  key: string;
  schema: Schema;
  required: boolean;
}

/** The keys of a section in the order of their table. */
export function fieldsOf(given: Schema): Field[] {
  const schema = limitsOf(given) ?? given;
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {})
    .sort(([, a], [, b]) => (a['x-order'] ?? 0) - (b['x-order'] ?? 0))
    .map(([key, inner]) => ({ key, schema: inner, required: required.has(key) }));
}

/** Of a check and a receiver one key is the type: sections that stand first, of which there is one. */
export function typesOf(section: string, schema: Schema): string[] {
  if (section !== 'checks' && section !== 'receivers') return [];
  const out: string[] = [];
  for (const { key, schema: inner } of fieldsOf(schema)) {
    if (!inner.properties) break;
    out.push(key);
  }
  return out;
}

/** Keys that most objects of a section have, and that are shown at once; the rest waits under "more settings". */
const USUAL: Record<string, string[]> = {
  hosts: ['address', 'tags', 'owner', 'parents', 'threshold_config', 'thresholds'],
  checks: ['host', 'every', 'attempts', 'conditions'],
  receivers: ['severity', 'fallback'],
  routes: ['match', 'to', 'delay', 'repeat'],
  access: ['tags', 'hosts'],
  users: ['full_name', 'password', 'admin', 'channels'],
  silences: ['match', 'reason', 'from', 'until'],
  maintenance: ['match', 'reason', 'from', 'until', 'cron', 'for'],
  reports: ['to', 'when', 'match'],
  oncall: ['layers', 'timezone'],
  threshold_configs: ['tags', 'thresholds'],
};

/** Of a type, what nobody can do without beside what is required: where the mail goes through, for one. */
const USUAL_OF_TYPE: Record<string, string[]> = { email: ['server', 'port', 'security', 'user', 'password'] };

export const isUsualOfType = (type: string, field: Field): boolean => field.required || (USUAL_OF_TYPE[type]?.includes(field.key) ?? false);

export const isUsual = (section: string, field: Field): boolean => field.required || (USUAL[section]?.includes(field.key) ?? false);

const isMap = (value: Json | undefined): value is { [key: string]: Json } => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a secret is kept that was there before. */
export const isKept = (value: Json | undefined): boolean => isMap(value) && typeof value['kept'] === 'number';

/** Whether nothing is written: such keys are not sent, so that their defaults hold. */
export function isEmpty(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  if (isMap(value) && '$yaml' in value) return String(value['$yaml']).trim() === '';
  return false;
}

/** A number as it was typed: what is none is sent as it is, so that the server says what is wrong with it. */
export function typed(text: string): Json {
  const clean = text.trim();
  return /^-?\d+(\.\d+)?$/.test(clean) && clean.length < 16 ? Number(clean) : text;
}

const PLAIN = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Writes a value as YAML, as the server does: keys plain where they can be, scalars as JSON. */
export function toYaml(value: Json, depth = 0): string {
  const pad = '  '.repeat(depth);
  const below = (inner: Json): string => {
    if (Array.isArray(inner)) return inner.length === 0 ? ' []\n' : `\n${toYaml(inner, depth + 1)}`;
    if (isMap(inner)) return Object.keys(inner).length === 0 ? ' {}\n' : `\n${toYaml(inner, depth + 1)}`;
    return ` ${JSON.stringify(inner)}\n`;
  };
  if (Array.isArray(value)) return value.map((item) => `${pad}-${below(item)}`).join('');
  if (isMap(value)) {
    return Object.entries(value)
      .map(([key, inner]) => `${pad}${PLAIN.test(key) && key.toLowerCase() !== 'null' ? key : JSON.stringify(key)}:${below(inner)}`)
      .join('');
  }
  return value === null ? '' : `${JSON.stringify(value)}\n`;
}

/** Returns the mistakes at a field and below it, nearest first. */
export function mistakesAt(mistakes: ConfigMistake[], path: string[]): ConfigMistake[] {
  return mistakes.filter((mistake) => mistake.path.length >= path.length && path.every((part, n) => mistake.path[n] === part));
}

/** Those that no field shows: of the object as a whole, and of other places. */
export const mistakesElsewhere = (mistakes: ConfigMistake[]): ConfigMistake[] => mistakes.filter((mistake) => mistake.path.length === 0);
