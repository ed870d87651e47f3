// Shapes of /api/0/config.
export interface Declared {
  file: string;
  line: number;
}

/** The keys of one object, or one key, as JSON Schema with the words of ours. */
export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: string[];
  default?: unknown;
  description?: string;
  'x-value'?: string;
  'x-order'?: number;
  'x-kind'?: 'duration' | 'size' | 'secret' | 'limits';
  /** Of a tree of limits: what stands under a metric, and the metrics that are known by collector. */
  'x-limits'?: Schema;
  'x-metrics'?: Record<string, string[]>;
}

export interface ConfigSection {
  name: string;
  shape: 'named' | 'ordered';
  help: string;
  can_test: boolean;
  schema: Schema | null;
}

export interface ConfigObjectRow {
  section: string;
  name: string;
  declared: Declared | null;
  version: string | null;
  summary: string;
}

export interface ConfigObject extends ConfigObjectRow {
  value: Json;
  yaml: string;
}

export interface ConfigMistake {
  is_warning: boolean;
  path: string[];
  message: string;
  hint: string | null;
  suggestion: string | null;
  elsewhere: Declared | null;
}

export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  text: string;
}

export interface ConfigVerdict {
  ok: boolean;
  mistakes: ConfigMistake[];
  diff: DiffLine[];
  yaml: string;
}

export interface ConfigTested {
  ok: boolean;
  lines: string[];
  took_seconds: number;
  limits: LimitsTried | null;
}

export interface PastTried {
  problems: number;
  warning_seconds: number;
  critical_seconds: number;
}

export interface LimitTried {
  host: string;
  check: string;
  state: 'crit' | 'warn' | 'unk' | 'ok' | null;
  is: 'crit' | 'warn' | 'unk' | 'ok' | null;
  text: string;
  day: PastTried | null;
  week: PastTried | null;
}

export interface LimitsTried {
  series: number;
  hosts: number;
  warning_now: number;
  critical_now: number;
  with_past: number;
  problems_day: number;
  problems_week: number;
  items: LimitTried[];
}

export interface ConfigKept {
  number: number;
  warnings: ConfigMistake[];
  object: ConfigObject | null;
}

export interface ConfigVersion {
  number: number;
  at: string;
  by: string | null;
  what: string;
  is_current: boolean;
}

export interface ConfigVersionDetail extends ConfigVersion {
  diff: DiffLine[];
  back: DiffLine[];
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
