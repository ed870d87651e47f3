// The shapes of /api/0, as the page uses them. `…_at` are RFC 3339 texts, `…_unix_s` are Unix seconds.

/** State of a host or a check in one letter: ok, warning, critical, unknown, maintenance, no data. */
export type Letter = 'o' | 'w' | 'c' | 'u' | 'm' | '-';
export type Status = 'ok' | 'warning' | 'critical' | 'unknown' | 'pending';
export type Severity = 'info' | 'unknown' | 'warning' | 'critical';
export type ProblemState = 'crit' | 'warn' | 'unk';

export interface Me {
  name: string;
  full_name: string;
  admin: boolean;
  roles: Record<string, string>;
  csrf: string;
  /** `needed`: nothing else is allowed before one is set up. */
  second_factor: 'none' | 'set' | 'needed';
  /** Nobody has logged in: whoever reaches this page may do everything. */
  open: boolean;
}

export interface Passkey {
  id: string;
  name: string;
  domain: string;
  created_at: string;
  used_at: string | null;
}

export interface SecondFactors {
  totp_since_at: string | null;
  recovery_codes: number;
  passkeys: Passkey[];
  demanded: boolean;
}

export interface TotpOffer {
  secret: string;
  address: string;
  qr: { size: number; path: string };
}

export interface Ack {
  by: string;
  comment: string;
  until_unix_s?: number | null;
  until_at?: string | null;
  sticky: boolean;
}

export interface Soft {
  attempt: number;
  of: number;
}

export interface Problem {
  incident: number;
  host: string;
  check: string;
  state: ProblemState;
  text: string;
  since_unix_s: number;
  ack: Ack | null;
  silenced_until_unix_s: number | null;
  symptoms: number;
  soft: Soft | null;
  strip: string;
  spark: (number | null)[];
  limit: number | null;
  flapping: boolean;
}

export interface Activity {
  at_unix_s: number;
  kind: 'transition' | 'told' | 'withheld' | 'operator' | 'event' | 'server';
  host: string | null;
  check: string | null;
  incident: number | null;
  state: ProblemState | 'ok' | null;
  /** In the timeline of an incident: where the message of the line stands. */
  message_state: Delivery['state'] | null;
  text: string;
}

export interface Counts {
  crit: number;
  warn: number;
  unk: number;
  mnt: number;
  ok: number;
  pending: number;
  /** Of those in need: hosts with silenced problems alone. */
  silenced?: number;
  /** Open incidents that a silence or maintenance covers: those of the view `silenced`. */
  silenced_incidents?: number;
  /** Another number whenever the list of silences and maintenance is another one. */
  quiet_revision?: number;
  unheard?: number;
}

export interface Matcher {
  hosts: string[];
  checks: string[];
  tags: string[];
  severity: Severity | null;
}

export interface Declared {
  file: string;
  line: number;
}

/** When planned work comes again: by a pattern of cron, each time for so long, or in hours of the week. */
export interface Repeats {
  cron?: string | null;
  lasts_seconds?: number | null;
  when?: string | null;
  timezone?: string | null;
}

export interface Silence {
  id: number;
  matcher: Matcher;
  by: string;
  reason: string;
  from_at: string;
  until_at: string;
  /** It is in force now: neither still to come, nor waiting for a problem to begin with. */
  active: boolean;
  maintenance: boolean;
  flexible_seconds: number | null;
  begun_at: string | null;
  repeats: string | null;
  /** The same as it was asked for; null for one that a file declares. */
  again: { repeats: Repeats; from_at: string; until_at: string | null } | null;
  withheld: number;
  matches: { hosts: number; incidents: number };
  declared: Declared | null;
}

/** What a matcher covers now. */
export interface Preview {
  hosts: number;
  names: string[];
  incidents: number;
  incidents_list: { id: number; host: string; check: string; state: ProblemState }[];
  /** When what comes again would hold next. */
  times: { from_at: string; until_at: string }[];
}

export interface Overview {
  at_unix_s: number;
  verdict: { text: string; sub: string };
  counts: Counts;
  kpis: {
    availability_24h: number | null;
    /** Nothing is known of what was earlier in these 24 hours. */
    availability_since_unix_s: number | null;
    /** How long the server looked. */
    availability_looked_s: number;
    heartbeats_per_minute: number;
    samples_per_second: number;
    open_incidents: number;
  };
  problems: Problem[];
  more: number;
  /** Without one, nobody is told. */
  receivers: number;
  quiet: { silences: Silence[]; maintenance: Silence[] };
  events: Activity[];
}

export interface FleetTable {
  etag: string;
  at_unix_s: number;
  id: number[];
  name: string[];
  state: string;
  site: number[];
  sites: string[];
  tags: string[][];
  text: string[];
  since_unix_s: number[];
  last_heard_unix_s: (number | null)[];
  cpu: (number | null)[];
  mem: (number | null)[];
  disk: (number | null)[];
  strip: string[];
  address: (string | null)[];
  os: string[];
  uptime_s: (number | null)[];
}

export interface Check {
  name: string;
  status: Status;
  hard: Status;
  soft: Soft | null;
  value: number | null;
  unit: string;
  text: string;
  /** What its newest result says behind the first line; empty if that is all. */
  further_lines: string;
  rule: string;
  seen_at: string | null;
  changed_at: string | null;
  fresh: 'fresh' | 'late' | 'stale';
  flapping: boolean;
  incident: number | null;
  limits: { warning: number | null; critical: number | null };
  /** What it is about, in the words of its configuration. */
  description: string | null;
  /** Not shown while it is well. */
  hidden: boolean;
  /** The server or its sites look at it, so it can be looked at now; agents and jobs report the others by themselves. */
  is_looked_at: boolean;
  /** When it is looked at, if not always: in words, whether now, and when that changes. */
  active: { window: string; now: boolean; changes_at: string | null } | null;
  /** What each site says, where it is looked at from several places. */
  sites: SiteSays[];
}

/** What one site says of a check; `pending` if it has not said anything yet. */
export interface SiteSays {
  site: string;
  status: Status;
  text: string;
  seen_at: string | null;
  counts: boolean;
}

export interface Host {
  id: number;
  name: string;
  state: Letter;
  word: string;
  text: string;
  since_at: string | null;
  address: string | null;
  tags: string[];
  owner: string | null;
  facts: Record<string, string>;
  interval_seconds: number;
  last_heard_at: string | null;
  rtt_seconds: number | null;
  agent_version: string | null;
  loss_ratio: number | null;
  checks: Check[];
  incidents: number[];
  parents: string[];
  children: string[];
  profile: string[];
  unreachable_because: string | null;
  not_reproven: boolean;
  limits_without_values: string[];
  declared: Declared | null;
}

/** A job that reports itself, and where it does. */
export interface Push {
  host: string;
  check: string;
  state: string;
  text: string;
  schedule: string;
  done_at: string | null;
  due_at: string | null;
  path: string;
}

/** An order to carry out one of a host's actions. */
export interface Order {
  id: number;
  host: string;
  action: string;
  by: string;
  reason: string;
  at: string;
  expires_at: string;
  state: 'waiting' | 'taken' | 'done' | 'failed' | 'expired';
  exit: number | null;
  text: string;
  ended_at: string | null;
}

/** What a host offers, and the newest orders, newest first. */
export interface Actions {
  offered: string[];
  orders: Order[];
}

export interface Metric {
  path: string;
  collector: string;
  instance: string;
  metric: string;
  unit: string;
  kind: 'gauge' | 'counter';
  last: number | null;
  at_unix_s: number | null;
}

/** A metric, and how many hosts have it. */
export interface MetricSummary {
  name: string;
  collector: string;
  metric: string;
  unit: string;
  kind: 'gauge' | 'counter';
  hosts: number;
}

/** A series of a metric. */
export interface MetricOnHost {
  host: string;
  instance: string;
  path: string;
  last: number | null;
  at_unix_s: number | null;
}

type Column = (number | null)[];

export interface Limits {
  warning: number | null;
  critical: number | null;
}

export interface Band {
  from_unix_s: number;
  to_unix_s: number | null;
  id: number;
  state: ProblemState;
}

export interface Series {
  from_unix_s: number;
  to_unix_s: number;
  step_s: number;
  at_unix_s: number[];
  names: string[];
  units: string[];
  kinds: ('gauge' | 'counter')[];
  min: Column[];
  avg: Column[];
  max: Column[];
  incidents: Band[];
  limits: Record<string, Limits>;
}

/** Series of one of several hosts. */
export interface HostSeries {
  host: string;
  series: Series;
}

/** The same series of several hosts; `more` have the tag and are not among them. */
export interface Across {
  items: HostSeries[];
  more: number;
}

/** A thing that happened on a host. */
export interface Happened {
  uid: string;
  host: string;
  at_unix_s: number;
  kind: string;
  severity: Severity;
  text: string;
  tags: string[];
  count: number;
}

/** A panel of a dashboard. */
export interface Panel {
  kind: 'chart' | 'value' | 'states' | 'incidents' | 'text';
  title: string;
  width: number;
  height: number;
  hosts: string[];
  tag: string | null;
  metrics: string[];
  compare: string | null;
  text: string;
}

/** What a dashboard shows. */
export interface DashboardContent {
  title: string;
  description: string;
  shared: { everyone: boolean; users: string[]; teams: string[] };
  range: string;
  variables: { host: string | null; tag: string | null };
  panels: Panel[];
}

export interface Dashboard {
  id: number;
  version: number;
  owner: string;
  updated_at: string;
  may_change: boolean;
  content: DashboardContent;
}

export interface DashboardRow {
  id: number;
  version: number;
  title: string;
  description: string;
  owner: string;
  shared: DashboardContent['shared'];
  panels: number;
  updated_at: string;
  may_change: boolean;
}

export interface Lane {
  check: string;
  spans: { from_unix_s: number; to_unix_s: number; state: string }[];
}

export interface Delivery {
  id: number;
  at: string;
  sent_at: string | null;
  incident: number | null;
  host: string;
  check: string | null;
  receiver: string;
  type: string;
  reason: string;
  summary: string;
  state: 'queued' | 'retry' | 'sent' | 'dead' | 'superseded';
  attempts: number;
  next_try_at: string | null;
  error: string | null;
  took_ms: number | null;
}

/** A message with its tries. */
/** A host that was dropped, as long as that can be undone. */
export interface DroppedHost {
  name: string;
  by: string;
  dropped_at: string;
  until_at: string;
  is_back: boolean;
}

export interface DeliveryDetail extends Delivery {
  tries: Try[];
  /** It can be tried at once. */
  waits: boolean;
  /** What was asked and answered is for administrators. */
  exchanges_hidden: boolean;
}

export interface Try {
  number: number;
  at: string;
  took_ms: number;
  outcome: 'delivered' | 'retry' | 'dead';
  next_try_at: string | null;
  failure: string;
  said: string;
  exchanges: Exchange[];
  omitted: number;
}

export interface Exchange {
  asked: string;
  headers: { name: string; value: string }[];
  body: string;
  body_bytes: number;
  status: string;
  answer: string;
  took_ms: number;
}

/** Who is on call. */
export interface Rota {
  name: string;
  now: string | null;
  until: string | null;
  next: string | null;
}

/** Something that would be told, or would be kept back. */
export interface RouteTestLine {
  at: string;
  receiver: string | null;
  user: string | null;
  route: string | null;
  step: number | null;
  reason: string | null;
  block: string | null;
  text: string;
  times: number;
  until: string | null;
}

export interface IncidentRow {
  id: number;
  host: string;
  check: string;
  state: ProblemState;
  peak: ProblemState;
  status: string;
  text: string;
  since_at: string;
  since_unix_s: number;
  resolved_at: string | null;
  ack: Ack | null;
  silenced_until_at: string | null;
  cause: number | null;
  caused_by_hand: boolean;
  symptoms: number;
  last_notification: {
    receiver: string;
    result: 'sent' | 'failed' | 'queued' | 'withheld';
    at: string;
    text: string;
  } | null;
}

export interface Derived {
  /** The path of the series. */
  series: string;
  text: string;
  line: { at_unix_s: number; value: number }[];
  reached_at_unix_s: number | null;
  /** What is usual. */
  band: { at_unix_s: number; low: number; high: number }[];
  /** When the last value was taken of a series that must come and stays out. */
  missing_from_unix_s: number | null;
}

export interface Incident extends IncidentRow {
  /** It does not end by itself: somebody ends it. */
  resolvable: boolean;
  /** Since when its check changes too often; null if it does not. */
  flapping_since_at: string | null;
  /** What its check says now behind the first line; empty if that is all. */
  further_lines: string;
  /** What the check said last while it was a problem; null if it still is one. */
  said: string | null;
  rule: string;
  value: number | null;
  unit: string;
  limits: Limits;
  /** How the value came from its series; null where it is the newest value. */
  derived: Derived | null;
  notifications: Delivery[];
  timeline: Activity[];
  comments: { by: string; at: string; text: string }[];
  symptoms_list: { id: number; host: string; check: string }[];
  seen_before: { id: number; since_at: string; duration_seconds: number | null; resolution: string }[];
}

export interface Explanation {
  lines: {
    /** What is decided now, not what was told or withheld then. */
    present: boolean;
    at: string;
    receiver: string | null;
    decision: 'told' | 'queued' | 'withheld' | 'waiting' | 'handled';
    block: string | null;
    /** The message that was made then, and where it stands by now. */
    message: number | null;
    message_state: Delivery['state'] | null;
    text: string;
  }[];
  /** What is done about its repair now, in words. */
  repair: string | null;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Receiver {
  name: string;
  type: string;
  target: string;
  fallback: string | null;
  last: Delivery | null;
  failing: boolean;
  waiting: number;
  oldest_at: string | null;
}

export interface Route {
  name: string;
  to: string[];
  sentence: string;
}

export interface Agent {
  host: string;
  mode: 'enrolled' | 'shared';
  version: string;
  last_seen_at: string | null;
  address: string | null;
  loss_ratio: number | null;
  rtt_seconds: number | null;
  clock_skew_seconds: number | null;
  duplicates: number;
}

export interface Enrolment {
  token: string;
  expires_at: string;
  command: string;
}

export interface Joined {
  host: string;
  at_unix_s: number;
  address: string | null;
  os: string;
}

export interface Self {
  version: string;
  started_at: string;
  uptime_seconds: number;
  hosts: number;
  series: number;
  datagrams: Record<string, number>;
  history: { state: 'ok' | 'stopped' | 'shedding'; reason: string | null; bytes: number };
  store: Record<string, number>;
  queues: Record<string, number>;
  receivers_failing: string[];
  /** Set while a server that was restored from a backup tells nobody. */
  quarantine: { restored_at: string; taken_at: string } | null;
}

export interface Session {
  id: string;
  created_at: string;
  last_seen_at: string;
  address: string;
  agent: string;
  current: boolean;
}

/** How notifications come to one's browsers. */
export interface Browsers {
  key: string;
  /** None: nothing is ever shown. */
  receivers: string[];
  browsers: Browser[];
}

export interface Browser {
  id: number;
  name: string;
  service: string;
  /** SHA-256 of its address at the push service. */
  digest: string;
  created_at: string;
}

/** Where one can log in elsewhere. */
export interface Provider {
  label: string;
  path: string;
}

/** What a token can be good for. */
export type Scope = 'read' | 'hosts:read' | 'hosts:write' | 'incidents:write' | 'events:send' | 'config:read' | 'config:write' | 'users:write';

export interface Token {
  id: string;
  name: string;
  /** None: all that its user may. */
  scopes: Scope[];
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface User {
  name: string;
  full_name: string;
  admin: boolean;
  roles: Record<string, 'monitor' | 'manager' | 'owner'>;
  second_factor: boolean;
  /** Is a program: it has tokens and cannot log in. */
  service: boolean;
  declared: Declared | null;
}

export interface AuditLine {
  at: string;
  who: string;
  address: string | null;
  what: string;
  detail: string;
}

/** One field of a problem document (RFC 9457) as this server writes it. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  errors?: { field: string; detail: string }[];
}

/** Long work: one operation on many things, a report, a backup ... */
export interface Job {
  id: number;
  title: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  done: number;
  total: number;
  failed: number;
  failures: { what: string; detail: string }[];
}

/** Who may do what with a host; everybody is told to its owner alone. */
export interface HostAccess {
  owner: string | null;
  managers: string[];
  monitors: string[];
  everybody: { user: string; role: 'owner' | 'manager' | 'monitor'; admin: boolean }[] | null;
}

/** Patch for one host that somebody looks at. */
export interface HostPatch {
  state?: Letter;
  text?: string;
  last_heard_unix_s?: number | null;
  rtt_seconds?: number | null;
  checks_changed?: boolean;
  samples?: Record<string, [number, number | null]>;
}

/** One message of `/ws` from the server. */
export interface Frame {
  type: 'hello' | 'frame' | 'gap';
  seq?: number;
  at_unix_s?: number;
  version?: string;
  snapshot?: boolean;
  counts?: Counts;
  problems?: { add?: Problem[]; drop?: number[] };
  rows?: {
    id: number[];
    state: string;
    since_unix_s?: number[];
    cpu?: (number | null)[];
    mem?: (number | null)[];
    disk?: (number | null)[];
    last_heard_unix_s?: (number | null)[];
    text?: string[];
  };
  events?: Activity[];
  host?: Record<string, HostPatch>;
  deliveries?: Delivery[];
  enrol?: Joined[];
  self?: Partial<Self>;
  /** Who is signed in, again whenever what he may do has changed. */
  me?: Me;
}

/** A check of a host in a list. */
export interface CheckRow {
  host: string;
  check: string;
  status: Status;
  value: number | null;
  unit: string;
  text: string;
  changed_at: string | null;
  seen_at: string | null;
  incident: number | null;
}

/** The checks of one name on all hosts. */
export interface CheckSummary {
  check: string;
  description: string | null;
  /** Types of configured checks, or a word for what the server or an agent watches by itself. */
  kinds: string[];
  interval_seconds: number | null;
  /** What 95 of 100 looks took at most; null where this server does not look. */
  p95_seconds: number | null;
  /** The host, if it is one alone. */
  host: string | null;
  hosts: number;
  critical: number;
  warning: number;
  unknown: number;
  ok: number;
  pending: number;
  changed_at: string | null;
}
