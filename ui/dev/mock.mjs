// A stand-in for the server: the shapes of /api/0 and /ws with plausible, moving data. For work on the page and for its
// browser tests; it keeps nothing and proves nothing about the real server.
//
//   node dev/mock.mjs [--port 50104] [--hosts 1216] [--empty] [--setup] [--still] [--at SECONDS] [--dist ui/dist]
//
// Sign in with mira and the password "correct horse battery". Set-up code: 7QK2-M9DX.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checks } from './checks.mjs';
import { metrics } from './metrics.mjs';
import { dashboards } from './dashboards.mjs';
import { statusPages } from './status.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const flag = (name) => process.argv.includes(`--${name}`);

const PORT = Number(option('port', process.env.PORT ?? '50104'));
const COUNT = flag('empty') ? 0 : Number(option('hosts', '1216'));
const DIST = option('dist', fileURLToPath(new URL('../dist', import.meta.url)));
const USER = { name: 'mira', password: 'correct horse battery', full_name: 'Mira Kvale' };
const CODE = '7QK2-M9DX';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html hark-worker";

// With --at it is always that moment.
const AT = Number(option('at', '0'));
const now = () => AT || Math.floor(Date.now() / 1000);
const at = (seconds) => new Date(seconds * 1000).toISOString();
let seed = 7;
const chance = () => {
  seed = (seed * 1_664_525 + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
};

// ---- The fleet

const SITES = ['ams', 'fra', 'iad', 'sin'];
const ROLES = ['web', 'db', 'cache', 'mq', 'vm', 'bkp', 'edge', 'k8s', 'mail'];
const SYSTEMS = ['Debian 12', 'Debian 12', 'Debian 13', 'Ubuntu 24.04', 'AlmaLinux 9'];
const START = now();

const TROUBLE = [
  ['db-03.fra', 'disk_monitor./var/lib/postgresql.percent', 'c', 'Disk 96.2 % on /var/lib/postgresql, full in 2 h 40 min', 2280, 'above 95, clears at 90', 95, 'rise', 'o36w9c3', '%'],
  ['edge-07.sin', 'host', 'c', 'Agent offline: no heartbeat for 4 min, last seen 14:18:03', 252, 'no heartbeat for 3 intervals', null, 'drop', 'o47c1', ''],
  ['k8s-04.ams', 'memory_monitor.percent', 'w', 'Memory 91.4 % for 10 min, limit 90 %', 960, 'above 90 for 10 min, clears at 81', 90, 'rise', 'o47w1', '%'],
  ['bkp-02.ams', 'backup', 'w', 'Last backup finished 27 h ago, limit 26 h', 3480, 'older than 26 h', null, 'saw', 'o46w2', ''],
  ['rtr-core-1.fra', 'snmp-if', 'w', 'Interface xe-0/0/3: 0.8 % input errors, limit 0.1 %', 10_800, 'above 0.1', 0.1, 'step', 'o41w7', '%'],
  ['db-09.sin', 'replication', 'u', 'No result for 6 min: replication probe timed out', 360, 'a result every 60 s', null, 'wave', 'o47u1', ''],
  ['web-12.iad', 'https', 'c', 'api.example.net answers 503 from 3 of 4 locations', 660, 'answers 2xx within 5 s', null, 'step', 'o46w1c1', 's', { by: 'Mira K.', comment: 'rolling back release 241', until_unix_s: null, sticky: false }],
  ['mail-01.fra', 'tls', 'w', 'Certificate mail.example.net expires in 6 days', 7200, 'expires within 7 days', null, 'fall', 'o42w6', '', { by: 'Jonas B.', comment: 'renewal is ordered', until_unix_s: null, sticky: true }],
];

const SHAPES = {
  rise: (i) => 0.3 + i * 0.028 + Math.sin(i) * 0.01,
  drop: (i) => (i > 21 ? 0.1 : 0.55 + Math.sin(i / 2) * 0.05),
  saw: (i) => ((i + 4) % 14) / 14,
  step: (i) => (i > 15 ? 0.9 + Math.sin(i) * 0.15 : 0.2 + Math.sin(i) * 0.02),
  wave: (i) => 0.5 + Math.sin(i / 3) * 0.4,
  fall: (i) => 0.9 - i * 0.024,
};
const spark = (shape) => Array.from({ length: 24 }, (_, i) => Math.round(SHAPES[shape](i) * 1000) / 10);

const hosts = [];
const byName = new Map();
function addHost(name, more = {}) {
  const site = name.split('.')[1] ?? '';
  const host = {
    id: hosts.length + 1,
    name,
    state: 'o',
    text: '',
    since: START - Math.floor(chance() * 4_000_000),
    heard: now() - Math.floor(chance() * 25),
    cpu: Math.round(5 + chance() * 34),
    mem: Math.round(18 + chance() * 56),
    disk: Math.round(20 + chance() * 55),
    strip: 'o48',
    site,
    tags: [`site:${site}`, `role:${name.replace(/-.*/, '')}`, 'env:prod'],
    address: `10.${20 + SITES.indexOf(site)}.${Math.floor(chance() * 250)}.${1 + Math.floor(chance() * 250)}`,
    os: SYSTEMS[Math.floor(chance() * SYSTEMS.length)],
    uptime: Math.floor((5 + chance() * 180) * 86_400),
    ...more,
  };
  hosts.push(host);
  byName.set(name, host);
  return host;
}
if (COUNT > 0) {
  for (const [name, , state, text, age, , , , strip] of TROUBLE) addHost(name, { state, text, since: START - age, strip });
  Object.assign(byName.get('db-03.fra'), { cpu: 61, mem: 74, disk: 96, os: 'Debian 12' });
  Object.assign(byName.get('k8s-04.ams'), { cpu: 68, mem: 91, disk: 75 });
  Object.assign(byName.get('edge-07.sin'), { cpu: null, mem: null, disk: null, heard: START - 252 });
  for (const name of ['cache-03.iad', 'cache-04.iad', 'mq-01.sin', 'vm-11.ams', 'vm-12.ams', 'vm-13.ams']) {
    addHost(name, { state: 'm', text: 'Planned: kernel update until 16:00', strip: 'o44m4' });
  }
  for (let number = 1; hosts.length < COUNT; number += 1) {
    for (const role of ROLES) {
      for (const site of SITES) {
        const name = `${role}-${String(number).padStart(2, '0')}.${site}`;
        if (hosts.length < COUNT && !byName.has(name)) addHost(name, number === 5 ? { strip: 'o30w1o17' } : {});
      }
    }
  }
}

// ---- Incidents

let nextIncident = 2410;
const incidents = [];
const deliveries = [];
let nextDelivery = 1;
const events = [];
const event = (kind, text, more = {}) => {
  const made = { at_unix_s: now(), kind, host: null, check: null, incident: null, state: null, text, ...more };
  events.unshift(made);
  return made;
};
function deliver(incident, receiver, type, state, age, error = null, took = 400 + Math.floor(chance() * 900)) {
  const made = {
    id: nextDelivery,
    at: at(now() - age),
    sent_at: state === 'sent' ? at(now() - age + 1) : null,
    incident: incident?.id ?? null,
    host: incident?.host ?? '',
    check: incident?.check ?? null,
    receiver,
    type,
    reason: incident ? 'problem' : 'test',
    summary: incident?.text ?? 'This is a test of this receiver.',
    state,
    attempts: state === 'dead' ? 5 : 1,
    next_try_at: null,
    error,
    took_ms: state === 'sent' ? took : null,
  };
  nextDelivery += 1;
  deliveries.unshift(made);
  return made;
}
const STATE = { c: 'crit', w: 'warn', u: 'unk' };
for (const [host, check, letter, text, age, rule, limit, shape, strip, unit, ack] of COUNT > 0 ? TROUBLE : []) {
  nextIncident += 7;
  const incident = {
    id: nextIncident,
    host,
    check,
    state: STATE[letter],
    peak: STATE[letter],
    status: { c: 'critical', w: 'warning', u: 'unknown' }[letter],
    text,
    since: START - age,
    resolved: null,
    ack: ack ?? null,
    silenced: null,
    cause: null,
    symptoms: host.startsWith('rtr') ? 2 : 0,
    rule,
    value: limit === null ? null : host.startsWith('db-03') ? 96.2 : host.startsWith('k8s') ? 91.4 : 0.8,
    unit: unit === '%' ? 'percent' : '',
    limits: { warning: null, critical: limit },
    strip,
    spark: spark(shape),
    comments: [],
    timeline: [],
  };
  incidents.push(incident);
  deliver(incident, letter === 'c' ? 'ops-mail' : 'hook', letter === 'c' ? 'email' : 'webhook', 'sent', Math.max(1, age - 2));
  if (host === 'db-03.fra') {
    deliver(incident, 'ops-sms', 'webhook', 'dead', age - 3, 'gateway answered 502 Bad Gateway');
    Object.assign(deliver(incident, 'hook', 'webhook', 'retry', age - 60, 'answered 502: Bad Gateway'), { next_try_at: at(START + 3600) });
    deliver(incident, 'ops-mail', 'email', 'sent', age - 900);
    deliver(incident, 'lead', 'email', 'sent', age - 1800);
  }
  incident.timeline = [
    { at_unix_s: START - age, kind: 'transition', host, check, incident: incident.id, state: STATE[letter], text },
    { at_unix_s: START - age + 2, kind: 'told', host, check, incident: incident.id, state: STATE[letter], text: 'ops-mail told, delivered in 0.9 s' },
  ];
  if (ack) incident.timeline.push({ at_unix_s: START - 60, kind: 'operator', host, check, incident: incident.id, state: null, text: `${ack.by} acknowledged “${ack.comment}”` });
}
const problemOf = (incident) => ({
  incident: incident.id,
  host: incident.host,
  check: incident.check,
  state: incident.state,
  text: incident.text,
  since_unix_s: incident.since,
  ack: incident.ack,
  silenced_until_unix_s: incident.silenced,
  symptoms: incident.symptoms,
  soft: null,
  strip: incident.strip,
  spark: incident.spark,
  limit: incident.limits.critical,
  flapping: false,
});
const rowOf = (incident) => {
  const last = deliveries.find((one) => one.incident === incident.id);
  return {
    id: incident.id,
    host: incident.host,
    check: incident.check,
    state: incident.state,
    peak: incident.peak,
    status: incident.status,
    text: incident.text,
    since_at: at(incident.since),
    since_unix_s: incident.since,
    resolved_at: incident.resolved === null ? null : at(incident.resolved),
    ack: incident.ack && { ...incident.ack, until_at: incident.ack.until_unix_s === null ? null : at(incident.ack.until_unix_s) },
    silenced_until_at: incident.silenced === null ? null : at(incident.silenced),
    cause: incident.cause,
    caused_by_hand: false,
    symptoms: incident.symptoms,
    last_notification: last ? { receiver: last.receiver, result: last.state === 'sent' ? 'sent' : last.state === 'dead' ? 'failed' : 'queued', at: last.at, text: last.error ?? '' } : null,
  };
};
const detailOf = (incident) => ({
  ...rowOf(incident),
  said: incident.resolved === null ? null : incident.text,
  rule: incident.rule,
  value: incident.value,
  unit: incident.unit,
  limits: incident.limits,
  notifications: deliveries.filter((one) => one.incident === incident.id),
  timeline: incident.timeline,
  comments: incident.comments,
  symptoms_list: incident.symptoms > 0 ? [{ id: incident.id, host: 'sw-01.fra', check: 'host' }, { id: incident.id, host: 'sw-02.fra', check: 'host' }] : [],
  seen_before: incident.host === 'db-03.fra' ? [
    { id: 1204, since_at: at(START - 86_400 * 10), duration_seconds: 1320, resolution: 'Full WAL archive, rotated' },
    { id: 377, since_at: at(START - 86_400 * 56), duration_seconds: 4080, resolution: 'Same volume, extended to 2 TB' },
  ] : [],
});

if (COUNT > 0) {
  const say = (age, kind, host, state, text) => events.push({ at_unix_s: START - age, kind, host, check: null, incident: incidents.find((one) => one.host === host)?.id ?? null, state, text });
  say(60, 'operator', 'web-12.iad', null, 'Mira K. acknowledged “rolling back release 241”');
  say(252, 'transition', 'edge-07.sin', 'crit', 'agent went offline');
  say(254, 'told', 'edge-07.sin', 'crit', 'told ops-mail, delivered in 1.2 s');
  say(360, 'transition', 'db-09.sin', 'unk', 'replication check timed out');
  say(660, 'transition', 'web-12.iad', 'crit', 'https turned critical: 503');
  say(780, 'transition', 'web-31.ams', 'ok', 'load recovered after 7 min');
  say(960, 'transition', 'k8s-04.ams', 'warn', 'memory over 90 %');
  say(2280, 'transition', 'db-03.fra', 'crit', 'disk turned critical: 95 %');
  say(2281, 'told', 'db-03.fra', 'crit', 'told ops-mail, delivered in 0.9 s');
  say(3480, 'transition', 'bkp-02.ams', 'warn', 'backup older than 26 h');
  say(7300, 'operator', null, null, 'Jonas B. opened maintenance “kernel update” for 6 hosts');
}

/** The tries of a message, as the server keeps them: without secrets. */
const triesOf = (message) => Array.from({ length: message.attempts }, (_, index) => {
  const last = index === message.attempts - 1;
  const arrived = last && message.state === 'sent';
  return {
    number: index + 1,
    at: message.at,
    took_ms: message.took_ms ?? 120,
    outcome: arrived ? 'delivered' : last && message.state === 'dead' ? 'dead' : 'retry',
    next_try_at: last ? message.next_try_at : message.at,
    failure: arrived ? '' : 'put_off',
    said: arrived ? '200 ok' : 'answered 502: Bad Gateway',
    exchanges: [{
      asked: 'POST https://gateway.example.net/…',
      headers: [{ name: 'authorization', value: '…' }, { name: 'content-type', value: 'application/json' }],
      body: JSON.stringify({ summary: message.summary, host: message.host }),
      body_bytes: 80,
      status: arrived ? '200' : '502',
      answer: arrived ? 'ok' : 'Bad Gateway',
      took_ms: 118,
    }],
    omitted: 0,
  };
});

// ---- Silences, receivers, tokens

let nextSilence = 5;
/** As if whatever comes again did so at 02:00 each night for an hour. */
const times = () => Array.from({ length: 5 }, (_, index) => {
  const from = (Math.floor(now() / 86_400) + 1 + index) * 86_400 + 7200;
  return { from_at: at(from), until_at: at(from + 3600) };
});
const silences = [];
if (COUNT > 0) {
  silences.push(
    { id: 1, matcher: { hosts: ['cache-*', 'mq-01.sin', 'vm-1?.ams'], checks: [], tags: [], severity: null }, by: 'Jonas Berg', reason: 'Kernel update', from_at: at(START - 7300), until_at: at(START + 5900), maintenance: true, flexible_seconds: null, begun_at: null, repeats: null, again: null, withheld: 4, matches: { hosts: 6, incidents: 0 }, declared: null },
    { id: 2, matcher: { hosts: [], checks: ['tls'], tags: ['role:mail'], severity: null }, by: 'Mira Kvale', reason: 'Renewal is ordered', from_at: at(START - 100_000), until_at: at(START + 2760), maintenance: false, flexible_seconds: null, begun_at: null, repeats: null, again: null, withheld: 0, matches: { hosts: 12, incidents: 1 }, declared: null },
    { id: 3, matcher: { hosts: ['lab-*'], checks: [], tags: [], severity: 'warning' }, by: 'file', reason: 'Lab hosts never wake anyone', from_at: at(START - 1_000_000), until_at: at(START + 9_000_000), maintenance: false, flexible_seconds: null, begun_at: null, repeats: null, again: null, withheld: 31, matches: { hosts: 0, incidents: 0 }, declared: { file: '/etc/hark/hark.yaml', line: 41 } },
  );
}
const receivers = COUNT > 0 ? [
  { name: 'ops-mail', type: 'email', target: 'ops@example.net by smtp.example.net', fallback: 'hook', failing: false },
  { name: 'hook', type: 'webhook', target: 'https://chat.example.net/…', fallback: null, failing: false },
  { name: 'ops-sms', type: 'webhook', target: 'https://sms.example.net/…', fallback: 'ops-mail', failing: true },
  { name: 'lead', type: 'email', target: 'lead@example.net by smtp.example.net', fallback: null, failing: false },
] : [];
const tokens = [];
const wild = (pattern, name) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
const matching = (matcher) =>
  hosts.filter(
    (host) =>
      (matcher.hosts.length === 0 || matcher.hosts.some((one) => wild(one, host.name))) &&
      matcher.tags.every((one) => host.tags.some((tag) => wild(one, tag))),
  );
const quietCount = (matcher) => {
  const names = new Set(matching(matcher).map((host) => host.name));
  return incidents.filter((one) => one.resolved === null && names.has(one.host) && (matcher.checks.length === 0 || matcher.checks.some((check) => wild(check, one.check)))).length;
};

// ---- Actions: what a host offers, with the exit status and the output of each, and the orders

const OFFERED = { 'db-03.fra': { 'reload-postgres': [0, 'server signaled'], 'rotate-wal': [3, 'archiving 000000010000021A000000C4\nrsync: connection to bkp-02.ams timed out\n1 of 14 segments archived'] } };
/** How long an order waits, and how long it runs. */
const ORDER_MS = 700;
const orders = [];
function order(host, action, reason, age, state, exit = null, text = '', by = USER.name) {
  const made = { id: now() - age, host, action, by, reason, at: at(now() - age), expires_at: at(now() - age + 300), state, exit, text, ended_at: state === 'done' || state === 'failed' ? at(now() - age + 4) : null };
  orders.unshift(made);
  return made;
}
if (COUNT > 0) {
  order('db-03.fra', 'reload-postgres', 'new pg_hba.conf', 190_000, 'expired', null, 'the agent did not fetch it in time', 'jonas');
  order('db-03.fra', 'reload-postgres', 'new pg_hba.conf, the agent is back', 180_000, 'done', 0, 'server signaled', 'jonas');
  order('db-03.fra', 'rotate-wal', 'the volume is full in two hours', 1500, 'failed', ...OFFERED['db-03.fra']['rotate-wal']);
}
function give(host, action, reason) {
  const made = order(host, action, reason, 0, 'waiting');
  made.id = Math.max(made.id, ...orders.slice(1).map((one) => one.id + 1));
  setTimeout(() => (made.state = 'taken'), ORDER_MS);
  setTimeout(() => {
    const [exit, text] = OFFERED[host][action];
    Object.assign(made, { state: exit === 0 ? 'done' : 'failed', exit, text, ended_at: at(now()) });
    event('event', `${action}: ${made.state}`, { host });
  }, 2 * ORDER_MS);
  return made;
}

// ---- Values of a host

const METRICS = [
  ['disk_monitor', '/var/lib/postgresql', 'percent', 'percent'],
  ['disk_monitor', '/', 'percent', 'percent'],
  ['cpu_monitor', '', 'cpu_percent', 'percent'],
  ['cpu_monitor', '', 'user_percent', 'percent'],
  ['cpu_monitor', '', 'system_percent', 'percent'],
  ['cpu_monitor', '', 'iowait_percent', 'percent'],
  ['cpu_monitor', '', 'load_1min', ''],
  ['cpu_monitor', '', 'load_5min', ''],
  ['cpu_monitor', '', 'cpu_count', ''],
  ['memory_monitor', '', 'percent', 'percent'],
  ['memory_monitor', '', 'swap_percent', 'percent'],
  ['memory_monitor', '', 'total_mb', 'mebibytes'],
  ['network_monitor', 'eth0', 'receive_rate', 'bytes_per_second'],
  ['network_monitor', 'eth0', 'send_rate', 'bytes_per_second'],
  ['diskio_monitor', 'sda', 'read_bytes', 'bytes', 'counter'],
  ['diskio_monitor', 'sda', 'written_bytes', 'bytes', 'counter'],
  ['uptime_monitor', '', 'uptime_seconds', 'seconds'],
];
const pathOf = ([collector, instance, metric]) => [collector, ...(instance === '' ? [] : [instance]), metric].join('.');
const hash = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
const noise = (key, time) => {
  const x = Math.sin(hash(key) * 0.001 + time * 12.9898) * 43_758.5453;
  return x - Math.floor(x) - 0.5;
};
function valueAt(host, path, time) {
  const slow = Math.sin(time / 5200 + (hash(host + path) % 7));
  const fast = noise(path + host, Math.floor(time / 15));
  const incident = incidents.find((one) => one.host === host && one.check === path);
  if (path.endsWith('postgresql.percent')) return Math.min(97, 96.2 - ((START - time) / 3600) * 1.4 + fast * 0.1);
  if (path.startsWith('disk_monitor')) return 41 + fast * 0.05;
  if (path.endsWith('cpu_percent')) return 38 + slow * 8 + fast * 6;
  if (path.endsWith('user_percent')) return 30 + slow * 7 + fast * 5;
  if (path.endsWith('system_percent')) return 9.5 + slow + fast * 1.5;
  if (path.endsWith('iowait_percent')) return time > START - 2280 ? 14 + fast * 5 : 6 + fast * 2;
  if (path === 'memory_monitor.percent') return incident ? 82 + Math.min(9.4, Math.max(0, (time - START + 20_000) / 2000)) + fast * 0.4 : 49 + slow * 2 + fast * 0.6;
  if (path.endsWith('swap_percent')) return 20 + slow;
  if (path.endsWith('load_1min')) return 3.6 + slow * 0.6 + fast * 0.8 + (time > START - 2280 ? 2 : 0);
  if (path.endsWith('load_5min')) return 3.6 + slow * 0.6 + (time > START - 1800 ? 1.6 : 0);
  if (path.endsWith('receive_rate')) return 11e6 + slow * 2e6 + fast * 1e6;
  if (path.endsWith('send_rate')) return 19e6 + slow * 6e6 + fast * 2e6;
  if (path.endsWith('read_bytes')) return (time - START + 4e6) * 45e6 + Math.sin(time / 1200) * 9e9;
  if (path.endsWith('written_bytes')) return (time - START + 4e6) * 66e6 + Math.max(0, time - START + 9000) * 60e6;
  if (path.endsWith('cpu_count')) return 16;
  if (path.endsWith('total_mb')) return 65_536;
  if (path.endsWith('uptime_seconds')) return (byName.get(host)?.uptime ?? 0) + time - START;
  return 1;
}
const silent = (host, time) => (host === 'edge-07.sin' && time > START - 252) || (host === 'db-03.fra' && time > START - 15_000 && time < START - 14_200);
const metricsOf = (host) => {
  const all = host.name.startsWith('db') ? METRICS : METRICS.slice(1);
  return all.map((one) => ({ path: pathOf(one), collector: one[0], instance: one[1], metric: one[2], unit: one[3], kind: one[4] ?? 'gauge', last: silent(host.name, now()) ? null : valueAt(host.name, pathOf(one), now()), at_unix_s: now() }));
};
function seriesOf(host, names, from, to, points) {
  const step = Math.max(15, Math.ceil((to - from) / points / 15) * 15);
  const times = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) times.push(time);
  const column = (name, pick) =>
    times.map((time) => {
      if (silent(host, time)) return null;
      const values = [];
      // Counters are given as rates.
      if (METRICS.some((one) => pathOf(one) === name && one[4] === 'counter')) return (valueAt(host, name, time) - valueAt(host, name, time - 15)) / 15;
      for (let i = 0; i < Math.min(8, step / 15); i += 1) values.push(valueAt(host, name, time - (i * step) / 8));
      return Math.round(pick(values) * 1000) / 1000;
    });
  const open = incidents.filter((one) => one.host === host && (one.resolved ?? to) >= from);
  return {
    from_unix_s: from,
    to_unix_s: to,
    step_s: step,
    at_unix_s: times,
    names,
    units: names.map((name) => METRICS.find((one) => pathOf(one) === name)?.[3] ?? ''),
    kinds: names.map((name) => METRICS.find((one) => pathOf(one) === name)?.[4] ?? 'gauge'),
    min: names.map((name) => column(name, (values) => Math.min(...values))),
    avg: names.map((name) => column(name, (values) => values.reduce((a, b) => a + b, 0) / values.length)),
    max: names.map((name) => column(name, (values) => Math.max(...values))),
    incidents: open.map((one) => ({ from_unix_s: one.since, to_unix_s: one.resolved, id: one.id, state: one.state })),
    limits: Object.fromEntries(names.filter((name) => /percent$/.test(name)).map((name) => {
      const incident = open.find((one) => one.check === name);
      return [name, { warning: null, critical: incident?.limits.critical ?? null }];
    })),
  };
}
/** Events of the host in trouble: log lines, a boot, and who used most. */
function happenedOf(q) {
  const say = (age, kind, severity, text, count = 1) => ({ uid: hash(`${age}${text}`).toString(16).padStart(32, '0'), host: 'db-03.fra', at_unix_s: START - age, kind, severity, text, tags: [], data: null, count, hops: ['mock'] });
  const all = [
    say(600, 'log', 'warning', 'postgresql.log: could not write to file "pg_wal/xlogtemp.31": No space left on device', 14),
    say(2200, 'log', 'critical', 'postgresql.log: PANIC: could not write to log file'),
    say(2280, 'busy', 'info', 'processors are used by 91 %, most by 212 % /usr/lib/postgresql/16/bin/postgres -D /var/lib/postgresql, autovacuum (pid 812, user 105, postgresql.service), 64 % /usr/bin/rsync -a --delete /srv /backup (pid 4410, user 0, backup.service), 3 % hark agent (pid 700, user 0)'),
    say(5400, 'message', 'info', 'extended the volume by 20 GiB'),
    say(14_100, 'boot', 'info', 'booted after 13 min'),
  ];
  const topics = (q.get('topics') ?? '').split(',').filter(Boolean);
  return all.filter((one) => one.host === q.get('host') && one.at_unix_s >= Number(q.get('from')) && one.at_unix_s < Number(q.get('to')) && (topics.length === 0 || topics.includes(one.kind)));
}
const CHECKS = [
  ['disk_monitor./var/lib/postgresql.percent', 'percent', 'above 95, clears at 90'],
  ['disk_monitor./.percent', 'percent', 'above 90, clears at 81'],
  ['memory_monitor.percent', 'percent', 'above 90 for 10 min, clears at 81'],
  ['cpu_monitor.load_1min', '', 'above 32'],
  ['host', 'seconds', 'no heartbeat for 3 intervals'],
  ['postgres', 'milliseconds', 'answers within 100 ms'],
  ['replication', 'seconds', 'lag above 10 s'],
  ['ssh', 'milliseconds', 'answers within 2 s'],
  ['backup', '', 'older than 26 h'],
  ['https', 'seconds', 'answers 2xx within 5 s'],
  ['tls', '', 'expires within 7 days'],
  ['snmp-if', 'percent', 'above 0.1'],
];
/** What the server or its sites look at; agents and jobs report the others by themselves. */
const LOOKED_AT = new Set(['postgres', 'ssh', 'https', 'tls', 'snmp-if']);
const sitesOf = () => [
  { site: 'server', status: 'ok', text: 'SSH-2.0-OpenSSH_9.2p1, 1.8 ms', seen_at: at(now() - 20), counts: true },
  { site: 'fra1', status: 'critical', text: 'no connection to 192.0.2.7:22: timed out', seen_at: at(now() - 12), counts: true },
  { site: 'ams1', status: 'ok', text: 'SSH-2.0-OpenSSH_9.2p1, 11.3 ms', seen_at: at(now() - 14), counts: true },
  { site: 'sin1', status: 'pending', text: '', seen_at: null, counts: false },
];
/** The same for who asks and for who is told. */
const rttOf = (host) => (host.name === 'edge-07.sin' ? null : 0.0042 + noise(host.name, now()) * 0.001);
function hostOf(host) {
  const open = incidents.filter((one) => one.host === host.name && one.resolved === null);
  const db = host.name.startsWith('db');
  const wanted = CHECKS.filter(([name]) => open.some((one) => one.check === name) || ['host', 'memory_monitor.percent', 'cpu_monitor.load_1min', 'disk_monitor./.percent', 'ssh'].includes(name) || (db && ['postgres', 'replication', 'backup'].includes(name)));
  return {
    id: host.id,
    name: host.name,
    state: host.state,
    word: { c: host.name === 'edge-07.sin' ? 'Silent' : 'Critical', w: 'Warning', u: 'Unknown', m: 'In maintenance', o: 'Healthy' }[host.state] ?? 'No data',
    text: host.text,
    since_at: at(host.since),
    address: host.address,
    tags: [...host.tags, ...(db ? ['postgres 16'] : [])],
    facts: { os: host.os, kernel: '6.1.0-31', architecture: 'x86_64', hostname: host.name, filesystem: 'ext4', ...(OFFERED[host.name] && { actions: Object.keys(OFFERED[host.name]).join(' ') }) },
    interval_seconds: 30,
    last_heard_at: at(host.heard),
    rtt_seconds: rttOf(host),
    agent_version: '0.9.2',
    loss_ratio: 0,
    checks: wanted.map(([name, unit, rule]) => {
      const incident = open.find((one) => one.check === name);
      const status = incident?.status ?? 'ok';
      const value = name.includes('percent') || name.includes('load') ? valueAt(host.name, name, now()) : { postgres: 2.1, replication: 0.4, ssh: 1.8, https: 0.2, host: 3 }[name] ?? null;
      return { name, status, hard: status, soft: name === 'ssh' && db ? { attempt: 2, of: 3 } : null, value: incident?.value ?? value, unit, text: incident?.text ?? '', rule, changed_at: at(incident ? incident.since : START - 86_400 * 3), fresh: name === 'replication' && incident ? 'stale' : 'fresh', flapping: false, incident: incident?.id ?? null, limits: incident?.limits ?? { warning: null, critical: null }, is_looked_at: LOOKED_AT.has(name), sites: name === 'ssh' && db ? sitesOf() : [] };
    }),
    incidents: open.map((one) => one.id),
    parents: host.name.endsWith('.fra') && !host.name.startsWith('rtr') ? ['rtr-core-1.fra'] : [],
    children: host.name.startsWith('rtr') ? hosts.filter((one) => one.name.endsWith('.fra')).slice(0, 14).map((one) => one.name) : [],
    profile: db ? ['database'] : [],
    unreachable_because: null,
    not_reproven: false,
    limits_without_values: [],
    declared: host.name === 'db-03.fra' ? { file: '/etc/hark/hark.yaml', line: 58 } : null,
  };
}
const lanesOf = (host, from, to) =>
  hostOf(host).checks.map((check) => {
    const incident = incidents.find((one) => one.host === host.name && one.check === check.name);
    const spans = [];
    if (check.name === 'host') spans.push({ from_unix_s: from, to_unix_s: Math.max(from, to - 19_000), state: 'mnt' }, { from_unix_s: Math.max(from, to - 19_000), to_unix_s: to, state: 'ok' });
    else if (check.name === 'replication' && !incident) spans.push({ from_unix_s: from, to_unix_s: START - 11_000, state: 'ok' }, { from_unix_s: START - 11_000, to_unix_s: START - 10_300, state: 'unk' }, { from_unix_s: START - 10_300, to_unix_s: to, state: 'ok' });
    else if (incident) {
      const warned = incident.state === 'crit' ? incident.since - 13_700 : incident.since;
      spans.push({ from_unix_s: from, to_unix_s: Math.max(from, warned), state: 'ok' });
      if (incident.state === 'crit') spans.push({ from_unix_s: Math.max(from, warned), to_unix_s: incident.since, state: 'warn' });
      spans.push({ from_unix_s: Math.max(from, incident.since), to_unix_s: incident.resolved ?? to, state: incident.state });
      if (incident.resolved !== null) spans.push({ from_unix_s: incident.resolved, to_unix_s: to, state: 'ok' });
    } else spans.push({ from_unix_s: from, to_unix_s: to, state: 'ok' });
    return { check: check.name, spans: spans.filter((span) => span.to_unix_s > span.from_unix_s) };
  });

const counts = () => {
  const quiet = open().filter((one) => one.silenced !== null);
  const out = { crit: 0, warn: 0, unk: 0, mnt: 0, ok: 0, pending: 0, silenced: new Set(quiet.map((one) => one.host)).size, silenced_incidents: quiet.length, quiet_revision: quietRevision() };
  for (const host of hosts) out[{ c: 'crit', w: 'warn', u: 'unk', m: 'mnt', o: 'ok' }[host.state] ?? 'pending'] += 1;
  return out;
};
const open = () => incidents.filter((one) => one.resolved === null);
const standing = () => silences.filter((one) => Date.parse(one.until_at) / 1000 > now()).map((one) => ({ ...one, active: Date.parse(one.from_at) / 1000 <= now() && (one.flexible_seconds === null || one.begun_at !== null) }));
const active = () => standing().filter((one) => one.active);
const quietRevision = () => [...JSON.stringify(standing().map(({ id, active, from_at, until_at, reason }) => [id, active, from_at, until_at, reason]))].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
const overview = () => ({
  at_unix_s: now(),
  verdict: { text: '', sub: '' },
  counts: counts(),
  kpis: { availability_24h: COUNT === 0 ? null : 0.99982, availability_since_unix_s: null, availability_looked_s: 86_400, heartbeats_per_minute: hosts.length * 2, samples_per_second: hosts.length * 4, open_incidents: open().length },
  problems: open().map(problemOf),
  more: 0,
  receivers: receivers.length,
  quiet: { silences: active().filter((one) => !one.maintenance), maintenance: active().filter((one) => one.maintenance) },
  events: events.slice(0, 20),
});
const fleet = () => ({
  etag: String(version),
  at_unix_s: now(),
  id: hosts.map((one) => one.id),
  name: hosts.map((one) => one.name),
  state: hosts.map((one) => one.state).join(''),
  site: hosts.map((one) => SITES.indexOf(one.site)),
  sites: SITES,
  tags: hosts.map((one) => one.tags),
  text: hosts.map((one) => one.text),
  since_unix_s: hosts.map((one) => one.since),
  last_heard_unix_s: hosts.map((one) => one.heard),
  cpu: hosts.map((one) => one.cpu),
  mem: hosts.map((one) => one.mem),
  disk: hosts.map((one) => one.disk),
  strip: hosts.map((one) => one.strip),
  address: hosts.map((one) => one.address),
  os: hosts.map((one) => one.os),
  uptime_s: hosts.map((one) => one.uptime),
});
let version = 1;

// ---- HTTP

const me = () => ({ name: USER.name, full_name: USER.full_name, admin: true, roles: {}, csrf: '1', second_factor: 'none', open: false });
const sessions = new Map();
let needed = flag('setup');
let tries = 0;

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const json = (answer, body, status = 200, headers = {}) => {
  answer.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', 'cache-control': 'no-store', ...headers });
  answer.end(JSON.stringify(body));
};
const problem = (answer, status, title, detail, more = {}) => json(answer, { type: more.type ?? 'about:blank', title, status, detail, ...more }, status, more.headers);
const cookie = (request, name) => new RegExp(`(?:^|;\\s*)${name}=([^;]+)`).exec(request.headers.cookie ?? '')?.[1];

function file(request, answer, path) {
  let full = normalize(join(DIST, path));
  if (!full.startsWith(normalize(DIST)) || !existsSync(full) || statSync(full).isDirectory()) full = join(DIST, 'index.html');
  const type = extname(full);
  const headers = {
    'content-type': TYPES[type] ?? 'application/octet-stream',
    'cache-control': full.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
  if (type === '.html') {
    const theme = cookie(request, 'theme');
    const html = readFileSync(full, 'utf8').replace('data-theme=""', `data-theme="${theme === 'dark' || theme === 'light' ? theme : ''}"`);
    answer.writeHead(200, headers);
    answer.end(html);
    return;
  }
  if (/\bbr\b/.test(request.headers['accept-encoding'] ?? '') && existsSync(`${full}.br`)) {
    answer.writeHead(200, { ...headers, 'content-encoding': 'br' });
    answer.end(readFileSync(`${full}.br`));
    return;
  }
  answer.writeHead(200, headers);
  answer.end(readFileSync(full));
}

const body = (request) =>
  new Promise((done) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      try {
        done(text === '' ? {} : JSON.parse(text));
      } catch {
        done({});
      }
    });
  });

function logIn(answer, extra) {
  const id = randomBytes(16).toString('hex');
  sessions.set(id, now());
  json(answer, extra, 200, { 'set-cookie': `hark=${id}; HttpOnly; SameSite=Lax; Path=/` });
}

const boards = dashboards(USER.name, () => at(now()));
const published = statusPages(USER.name, now(), at);

async function api(request, answer, url) {
  const path = url.pathname.slice('/api/0'.length);
  const method = request.method ?? 'GET';
  const q = url.searchParams;
  const data = method === 'GET' ? {} : await body(request);
  if (path === '/setup' && method === 'GET') return json(answer, { needed, version: '0.1.0-mock', site_name: 'Nordlys' });
  if (path === '/setup') {
    if (!needed || data.code !== CODE) return problem(answer, 403, 'Wrong code', 'the code is wrong or has been used');
    if ([...String(data.password ?? '')].length < 10) return problem(answer, 422, 'Not accepted', 'a field is wrong', { errors: [{ field: 'password', detail: 'at least 10 characters' }] });
    needed = false;
    USER.name = data.user;
    USER.password = data.password;
    USER.full_name = data.full_name ?? data.user;
    return logIn(answer, me());
  }
  if (needed) return problem(answer, 403, 'Set-up is needed', 'make the first administrator', { type: '/problems/setup-required' });
  if (path === '/auth/providers') return json(answer, { providers: [{ label: 'the company account', path: '/oidc/company/begin' }] });
  if (path === '/auth/login') {
    if (data.username !== USER.name || data.password !== USER.password) {
      tries += 1;
      if (tries > 5) {
        tries = 0;
        return problem(answer, 429, 'Too many tries', 'wait', { headers: { 'retry-after': '3' } });
      }
      return problem(answer, 401, 'Not signed in', 'name or password is not right');
    }
    tries = 0;
    return logIn(answer, { token: 'x', user: me() });
  }
  const session = cookie(request, 'hark');
  if (!session || !sessions.has(session)) return problem(answer, 401, 'Not signed in', 'sign in first');
  if (method !== 'GET' && request.headers['x-hark-csrf'] !== '1') return problem(answer, 403, 'Refused', 'the csrf header is missing');
  if (path === '/auth/me') return json(answer, me());
  if (path === '/users' && method === 'GET') return json(answer, [{ name: USER.name, full_name: USER.full_name, admin: true, roles: {}, second_factor: false, declared: null }, { name: 'jonas', full_name: 'Jonas Berg', admin: false, roles: { 'db-03.fra': 'owner', 'web-12.iad': 'monitor' }, second_factor: true, declared: { file: '/etc/hark/hark.yaml', line: 41 } }]);
  if (path === '/audit/check') return json(answer, { lines: 3, broken_at: null, newest: '00' });
  if (path === '/tokens' && method === 'GET') return json(answer, []);
  if (path === '/auth/browsers' && method === 'GET') return json(answer, { key: '', receivers: [], browsers: [{ id: 1, name: 'Firefox, Linux', service: 'push.example.net', digest: '', created_at: at(now() - 86_400) }] });
  if (path === '/auth/second-factor') return json(answer, { totp_since_at: null, recovery_codes: 0, passkeys: [], demanded: false });
  if (path.startsWith('/status-pages')) {
    const found = published(path.split('?')[0]);
    return found === null ? problem(answer, 404, 'Not found', 'there is no such page') : json(answer, found);
  }
  if (path === '/auth/logout') {
    sessions.delete(session);
    answer.writeHead(204, { 'set-cookie': 'hark=; Max-Age=0; Path=/' });
    return answer.end();
  }
  if (path === '/auth/password') return data.old === USER.password ? (answer.writeHead(204), answer.end()) : problem(answer, 403, 'Refused', 'the old password is wrong');
  if (path === '/sessions') return json(answer, [...sessions].map(([id, when]) => ({ id: id.slice(0, 8), created_at: at(when), last_seen_at: at(now()), address: '127.0.0.1', agent: request.headers['user-agent'], current: id === session })));
  if (path.startsWith('/sessions/')) {
    for (const id of sessions.keys()) if (id.startsWith(path.slice(10))) sessions.delete(id);
    answer.writeHead(204);
    return answer.end();
  }
  const board = boards(method, path, data);
  if (board) return board[0] === 204 ? (answer.writeHead(204), answer.end()) : board[0] >= 400 ? problem(answer, board[0], board[1].title, board[1].detail, board[1]) : json(answer, board[1], board[0]);
  if (path === '/overview') return json(answer, overview());
  if (path.startsWith('/checks')) {
    const told = checks(path, url.searchParams, hosts.map(hostOf));
    if (told) return json(answer, told);
  }
  if (/^\/metrics(\/[^/]+\/hosts)?$/.test(path)) {
    const told = metrics(path, url.searchParams, hosts.map((host) => ({ host: host.name, items: metricsOf(host) })));
    return told ? json(answer, told) : problem(answer, 404, 'Not found', 'there is no such metric');
  }
  if (path === '/fleet') {
    const etag = `"${version}"`;
    if (request.headers['if-none-match'] === etag) {
      answer.writeHead(304, { etag });
      return answer.end();
    }
    return json(answer, fleet(), 200, { etag });
  }
  if (path === '/pushes') return json(answer, hosts.filter((one) => one.name.startsWith('db')).map((one) => ({ host: one.name, check: 'backup', state: 'up', text: 'done', schedule: 'every day at 03:00', done_at: at(START - 7000), due_at: at(START + 79_400), path: `/push/${'0123456789abcdef'.repeat(2)}` })));
  const lookMatch = /^\/hosts\/([^/]+)\/look$/.exec(path);
  if (lookMatch && method === 'POST') return !LOOKED_AT.has(url.searchParams.get('check')) ? problem(answer, 404, 'Not found', 'nobody looks at it from outside') : json(answer, { checks: 1 });
  const actionMatch = /^\/hosts\/([^/]+)\/actions(?:\/([^/]+))?$/.exec(path);
  if (actionMatch) {
    const [, host, action] = actionMatch.map((part) => part && decodeURIComponent(part));
    const offered = Object.keys(OFFERED[host] ?? {});
    if (!byName.has(host)) return problem(answer, 404, 'No such host', 'no host has this name');
    if (!action) return json(answer, { offered, orders: orders.filter((one) => one.host === host) });
    if (!offered.includes(action)) return problem(answer, 422, 'Not accepted', 'a field is wrong', { errors: [{ field: 'name', detail: `${host} offers no such action` }] });
    if (!String(data.reason ?? '').trim()) return problem(answer, 422, 'Not accepted', 'a field is wrong', { errors: [{ field: 'reason', detail: 'say why, in a few words' }] });
    return json(answer, give(host, action, data.reason));
  }
  const hostMatch = /^\/hosts\/([^/]+)(?:\/([\w.]+))?$/.exec(path);
  if (hostMatch) {
    const host = byName.get(decodeURIComponent(hostMatch[1]));
    if (!host) return problem(answer, 404, 'No such host', 'no host has this name');
    const from = Number(q.get('from'));
    const to = Number(q.get('to'));
    if (method === 'DELETE') {
      hosts.splice(hosts.indexOf(host), 1);
      byName.delete(host.name);
      version += 1;
      answer.writeHead(204);
      return answer.end();
    }
    if (!hostMatch[2]) return json(answer, hostOf(host));
    if (hostMatch[2] === 'metrics') return json(answer, { items: metricsOf(host) });
    if (hostMatch[2] === 'series') return json(answer, seriesOf(host.name, (q.get('names') ?? '').split(','), from, to, Number(q.get('points') ?? 600)));
    if (hostMatch[2] === 'series.csv') {
      const found = seriesOf(host.name, (q.get('names') ?? '').split(','), from, to, Number(q.get('points') ?? 600));
      answer.writeHead(200, { 'content-type': 'text/csv; charset=utf-8; header=present', 'content-disposition': `attachment; filename="${host.name}.csv"` });
      return answer.end([`time,unix_s,${found.names.join(',')}`, ...found.at_unix_s.map((time, row) => [at(time), time, ...found.avg.map((column) => column[row] ?? '')].join(','))].join('\r\n'));
    }
    if (hostMatch[2] === 'lanes') return json(answer, { lanes: lanesOf(host, from, to) });
    if (hostMatch[2] === 'events') return json(answer, { items: events.filter((one) => one.host === host.name), next: null });
  }
  if (path === '/series') {
    const wanted = q.get('tag') ? hosts.filter((one) => one.tags.includes(q.get('tag'))).map((one) => one.name) : (q.get('hosts') ?? '').split(',').filter((name) => byName.has(name));
    const shown = wanted.slice(0, 10);
    return json(answer, { items: shown.map((host) => ({ host, series: seriesOf(host, (q.get('names') ?? '').split(','), Number(q.get('from')), Number(q.get('to')), Number(q.get('points') ?? 600)) })), more: wanted.length - shown.length });
  }
  if (path === '/happened') return json(answer, { items: happenedOf(q), next: null });
  if (path === '/incidents') {
    const view = q.get('view') ?? 'open';
    const sev = q.get('sev');
    if (sev !== null && !['critical', 'warning', 'unknown', 'info'].includes(sev)) return problem(answer, 422, 'Not accepted', 'sev is one word', { errors: [{ field: 'sev', detail: 'not a severity' }] });
    const text = (q.get('q') ?? '').toLowerCase();
    const items = incidents
      .filter((one) => view === 'all' || (view === 'resolved' ? one.resolved !== null : view === 'silenced' ? one.resolved === null && one.silenced !== null : one.resolved === null && one.silenced === null))
      .filter((one) => (sev === null || sev === one.status) && `${one.host} ${one.check} ${one.text}`.toLowerCase().includes(text))
      .map(rowOf);
    return json(answer, { items, next: null });
  }
  const incidentMatch = /^\/incidents\/(\d+)(?:\/(\w+))?$/.exec(path);
  if (incidentMatch) {
    const incident = incidents.find((one) => one.id === Number(incidentMatch[1]));
    if (!incident) return problem(answer, 404, 'No such incident', 'no incident has this number');
    const what = incidentMatch[2];
    if (!what) return json(answer, detailOf(incident));
    if (what === 'explain') {
      return json(answer, {
        lines: [
          { present: true, at: at(now()), receiver: 'ops-mail', decision: 'queued', block: 'told', message: null, message_state: null, text: 'the message of 10:00:02 UTC that it is critical has not arrived yet' },
          { present: false, at: at(incident.since), receiver: null, decision: 'waiting', block: 'dependency', message: null, message_state: null, text: 'held: parent rtr-core-1.fra was being checked, at most 60 s' },
          { present: false, at: at(incident.since + 2), receiver: 'ops-mail', decision: 'told', block: null, message: 4711, message_state: 'retry', text: 'CRITICAL: db1 - host = down' },
          { present: false, at: at(incident.since + 2), receiver: 'hook', decision: 'told', block: null, message: 4712, message_state: 'sent', text: 'CRITICAL: db1 - host = down' },
          { present: false, at: at(incident.since + 3), receiver: null, decision: 'handled', block: null, message: null, message_state: null, text: 'Mira Koch took it: new disk ordered' },
          { present: false, at: at(incident.since + 2), receiver: 'lead', decision: 'waiting', block: 'delay', message: null, message_state: null, text: 'after 30 min without an acknowledgement' },
          { present: false, at: at(incident.since + 3), receiver: 'hook', decision: 'withheld', block: 'route', message: null, message_state: null, text: 'no route leads there: severity is critical, the route takes warnings' },
        ],
      });
    }
    if (what === 'ack') {
      if (!String(data.comment ?? '').trim()) return problem(answer, 422, 'Not accepted', 'a comment is needed', { errors: [{ field: 'comment', detail: 'a comment is needed' }] });
      incident.ack = { by: USER.full_name, comment: data.comment, until_unix_s: data.until_at ? Date.parse(data.until_at) / 1000 : null, sticky: data.sticky === true };
      const made = event('operator', `${USER.full_name} acknowledged “${data.comment}”`, { host: incident.host, check: incident.check, incident: incident.id });
      incident.timeline.push(made);
      push({ problems: { add: [problemOf(incident)], drop: [] }, events: [made] });
      return json(answer, rowOf(incident));
    }
    if (what === 'unack') {
      incident.ack = null;
      push({ problems: { add: [problemOf(incident)], drop: [] } });
      return json(answer, rowOf(incident));
    }
    if (what === 'comment') {
      incident.comments.push({ by: USER.full_name, at: at(now()), text: data.text });
      return json(answer, {}, 201);
    }
    if (what === 'silence') {
      nextSilence += 1;
      const made = { id: nextSilence, matcher: { hosts: [incident.host], checks: [incident.check], tags: [], severity: null }, by: USER.full_name, reason: data.reason, from_at: at(now()), until_at: at(now() + data.duration_seconds), maintenance: false, flexible_seconds: null, begun_at: null, repeats: null, again: null, withheld: 0, matches: { hosts: 1, incidents: 1 }, declared: null };
      silences.push(made);
      incident.silenced = now() + data.duration_seconds;
      push({ counts: counts(), problems: { add: [problemOf(incident)], drop: [] } });
      return json(answer, made, 201);
    }
  }
  if (path === '/silences' && method === 'GET') return json(answer, standing());
  if (path === '/silences' || (path.startsWith('/silences/') && method === 'PUT')) {
    if (!data.reason) return problem(answer, 422, 'Not accepted', 'a reason is needed', { errors: [{ field: 'reason', detail: 'a reason is needed' }] });
    const before = silences.find((one) => one.id === Number(path.slice(10)));
    if (!before) nextSilence += 1;
    const { repeats = null, from_at = before?.from_at ?? at(now()), until_at = null, flexible_seconds = null, ...rest } = data;
    const again = repeats === null ? null : { repeats, from_at, until_at };
    const next = again === null ? { from_at, until_at } : times()[0];
    const made = { id: nextSilence, by: USER.full_name, begun_at: null, withheld: 0, declared: null, ...before, ...rest, ...next, flexible_seconds, again, repeats: repeats && (repeats.when ?? repeats.cron), matches: { hosts: matching(data.matcher).length, incidents: quietCount(data.matcher) } };
    if (before) Object.assign(before, made);
    else silences.push(made);
    push({ counts: counts() });
    return json(answer, made, before ? 200 : 201);
  }
  if (path.startsWith('/silences/')) {
    const index = silences.findIndex((one) => one.id === Number(path.slice(10)));
    const [gone] = index < 0 ? [] : silences.splice(index, 1);
    push({ counts: counts() });
    for (const incident of incidents) {
      if (gone?.matcher.hosts.includes(incident.host)) {
        incident.silenced = null;
        push({ problems: { add: [problemOf(incident)], drop: [] } });
      }
    }
    answer.writeHead(204);
    return answer.end();
  }
  if (path === '/match/preview') {
    if (data.repeats?.when?.startsWith('x')) return problem(answer, 422, 'Not accepted', 'some fields are wrong', { errors: [{ field: 'repeats', detail: `\`${data.repeats.when}\` is neither a day nor hours` }] });
    const found = matching(data.matcher);
    return json(answer, { hosts: found.length, names: found.slice(0, 20).map((one) => one.name), incidents: quietCount(data.matcher), incidents_list: [], times: data.repeats ? times() : [] });
  }
  if (path === '/receivers') return json(answer, receivers.map((one) => ({ ...one, waiting: deliveries.filter((other) => other.receiver === one.name && ['queued', 'retry'].includes(other.state)).length, oldest_at: one.failing ? at(now() - 900) : null, last: deliveries.find((other) => other.receiver === one.name) ?? null })));
  const testMatch = /^\/receivers\/([^/]+)\/test$/.exec(path);
  if (testMatch) {
    const name = decodeURIComponent(testMatch[1]);
    const made = deliver(null, name, 'email', 'queued', 0);
    push({ deliveries: [made] });
    setTimeout(() => {
      Object.assign(made, receivers.find((one) => one.name === name)?.failing ? { state: 'dead', error: 'gateway answered 502 Bad Gateway', attempts: 5 } : { state: 'sent', sent_at: at(now()), took_ms: 812 });
      push({ deliveries: [made] });
    }, 1200);
    return json(answer, { delivery: made.id }, 202);
  }
  if (path === '/routes') return json(answer, COUNT > 0 ? [
    { name: 'db', match: {}, to: ['ops-mail', 'ops-sms'], sentence: 'critical on role:db goes to ops-mail and ops-sms, again every hour, after 30 min also to lead' },
    { name: 'rest', match: {}, to: ['hook'], sentence: 'everything else goes to hook, again every 4 h' },
  ] : []);
  if (path === '/deliveries') {
    const wanted = (one) => (!q.get('state') || one.state === q.get('state')) && (!q.get('receiver') || one.receiver === q.get('receiver')) && (!q.get('incident') || one.incident === Number(q.get('incident'))) && (!q.get('since') || one.at >= q.get('since'));
    return json(answer, { items: deliveries.filter(wanted), next: null });
  }
  const oneDelivery = /^\/deliveries\/(\d+)(\/retry)?$/.exec(path);
  if (oneDelivery) {
    const found = deliveries.find((one) => one.id === Number(oneDelivery[1]));
    if (!found) return problem(answer, 404, 'not-found', 'There is no such object');
    if (oneDelivery[2]) {
      setTimeout(() => {
        Object.assign(found, { state: 'sent', sent_at: at(now()), attempts: found.attempts + 1, next_try_at: null, error: '' });
        push({ deliveries: [found] });
      }, 800);
      return json(answer, { under_way: false });
    }
    return json(answer, { ...found, waits: ['queued', 'retry'].includes(found.state), exchanges_hidden: false, tries: triesOf(found) });
  }
  if (path === '/oncall') return json(answer, COUNT > 0 ? [
    { name: 'berlin', now: 'anna', until: at(now() + 93_600), next: 'ben' },
    { name: 'nights', now: null, until: at(now() + 14_400), next: 'ida' },
    { name: 'boss', now: 'mira', until: null, next: null },
  ] : []);
  if (path === '/routes/test') {
    if (!byName.has(q.get('host'))) return problem(answer, 404, 'not-found', 'There is no such object');
    const begins = q.get('at') ?? at(now());
    const later = (seconds) => at(Date.parse(begins) / 1000 + seconds);
    return json(answer, [
      { at: begins, receiver: 'ops-mail', user: null, route: 'db', step: null, reason: 'problem', block: null, text: 'by the route `db`' },
      { at: begins, receiver: 'lead', user: 'ida', route: 'db', step: 1, reason: 'problem', block: 'hours', text: 'outside the hours of ida until tomorrow 08:00' },
      { at: later(3600), receiver: 'ops-mail', user: null, route: 'db', step: null, reason: 'reminder', block: null, text: 'by the route `db`' },
    ]);
  }
  if (path === '/enrol' && method === 'POST') {
    // As long as a real one, which has the server's fingerprint in it.
    const token = randomBytes(84).toString('base64url');
    const expires_at = at(now() + (data.valid_seconds ?? 3600));
    tokens.push({ id: tokens.length + 1, expires_at, uses_left: data.uses ?? 1, tags: data.tags ?? [] });
    setTimeout(() => {
      const name = `web-${50 + tokens.length}.ams`;
      const host = byName.get(name) ?? addHost(name);
      version += 1;
      push({ enrol: [{ host: host.name, at_unix_s: now(), address: host.address, os: 'Debian 12, 8 cores, 16 GiB' }], counts: counts() });
    }, Number(process.env.MOCK_JOIN_MS ?? 4000));
    return json(answer, { token, expires_at, command: `hark agent --server https://hark.example.net:50004 --token ${token}` }, 201);
  }
  if (path === '/enrol') return json(answer, tokens);
  if (path.startsWith('/enrol/')) {
    tokens.splice(tokens.findIndex((one) => one.id === Number(path.slice(7))), 1);
    answer.writeHead(204);
    return answer.end();
  }
  if (path === '/agents') return json(answer, hosts.map((one) => ({ host: one.name, mode: one.id % 9 === 0 ? 'shared' : 'enrolled', version: one.id % 33 === 0 ? '0.9.1' : '0.9.2', last_seen_at: at(one.heard), address: one.address, loss_ratio: one.id % 40 === 0 ? 0.012 : 0, rtt_seconds: 0.003 + (one.id % 17) / 1000, clock_skew_seconds: one.id === 12 ? 4.2 : 0.01, duplicates: one.id === 20 ? 1 : 0 })));
  if (path === '/events') {
    const text = (q.get('q') ?? '').toLowerCase();
    return json(answer, { items: events.filter((one) => `${one.host} ${one.check} ${one.text}`.toLowerCase().includes(text)), next: null });
  }
  if (path === '/audit') return json(answer, { items: [{ at: at(now() - 60), who: 'mira', address: '127.0.0.1', what: 'signed in', detail: '' }, { at: at(START - 7300), who: 'jonas', address: '192.0.2.17', what: 'made maintenance', detail: 'kernel update, 6 hosts' }], next: null });
  if (path === '/self') return json(answer, self());
  return problem(answer, 404, 'Not found', `no resource at ${path}`);
}
const self = () => ({ version: '0.1.0-mock', started_at: at(START - 90_000), uptime_seconds: now() - START + 90_000, hosts: hosts.length, series: hosts.length * 42, datagrams: { received: 41_208_000 + (now() - START) * 40, accepted: 41_207_212 + (now() - START) * 40, replayed: 611, unknown_key: 177 }, history: { state: 'ok', reason: null, bytes: 4_812_000_000 }, store: { commits: 88_213, commit_ms_p99: 4.2, bytes: 18_400_000 }, queues: { ingest: 0, store: 1, outbox: 0 }, receivers_failing: COUNT > 0 ? ['ops-sms'] : [], quarantine: null });

// ---- WebSocket, by hand: text frames from the server, small masked frames from the page

const clients = new Set();
const frameOf = (text) => {
  const bytes = Buffer.from(text);
  const head = bytes.length < 126 ? Buffer.from([0x81, bytes.length]) : bytes.length < 65_536 ? Buffer.from([0x81, 126, bytes.length >> 8, bytes.length & 255]) : Buffer.concat([Buffer.from([0x81, 127, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(bytes.length).buffer).reverse()]);
  return Buffer.concat([head, bytes]);
};
const send = (client, message) => {
  client.seq += 1;
  client.socket.write(frameOf(JSON.stringify({ seq: client.seq, at_unix_s: now(), ...message })));
};
function push(message) {
  for (const client of clients) send(client, { type: 'frame', ...message });
}
const sampleOf = (name) => Object.fromEntries(metricsOf(byName.get(name)).map((one) => [one.path, [now(), one.last]]));
function snapshot(client) {
  const message = { type: 'frame', snapshot: true };
  if (client.sub.includes('counts')) message.counts = counts();
  if (client.sub.includes('problems')) message.problems = { add: open().map(problemOf), drop: [] };
  if (client.sub.includes('self')) message.self = self();
  if (client.sub.includes('events')) message.events = events.slice(0, 20);
  send(client, message);
}
function tick() {
  for (const host of hosts) {
    if (host.name === 'edge-07.sin') continue;
    // Where it is always one moment, whoever looks sees what he sees however long that takes.
    if (!AT && chance() < 0.05) {
      host.heard = now();
      if (host.cpu !== null) host.cpu = Math.max(1, Math.min(99, Math.round(host.cpu + (chance() - 0.5) * 6)));
    }
  }
  for (const client of clients) {
    const message = { type: 'frame' };
    if (client.sub.includes('self') && now() % 5 === 0) message.self = self();
    const rows = hosts.filter((host) => client.rows.has(host.id));
    if (rows.length > 0) {
      message.rows = { id: rows.map((one) => one.id), state: rows.map((one) => one.state).join(''), cpu: rows.map((one) => one.cpu), mem: rows.map((one) => one.mem), disk: rows.map((one) => one.disk), last_heard_unix_s: rows.map((one) => one.heard), text: rows.map((one) => one.text) };
    }
    for (const topic of client.sub) {
      const host = topic.startsWith('host:') ? byName.get(topic.slice(5)) : undefined;
      if (host) message.host = { [host.name]: { state: host.state, text: host.text, last_heard_unix_s: host.heard, rtt_seconds: rttOf(host), checks_changed: false, samples: !AT && now() % 15 === 0 ? sampleOf(host.name) : {} } };
    }
    // Like the real one: nothing to say, nothing sent.
    if (Object.keys(message).length > 1) send(client, message);
  }
}
setInterval(tick, 1000).unref();
// Something happens now and then, so that the page is seen to move: --storm makes it often.
if (COUNT > 0 && !flag('still')) {
  setInterval(() => {
    const host = hosts[20 + Math.floor(chance() * Math.max(1, Math.min(hosts.length - 21, 300)))];
    if (!host || host.state !== 'o') return;
    nextIncident += 1;
    host.state = 'w';
    host.text = `CPU ${88 + Math.floor(chance() * 10)} % for 5 min, limit 85 %`;
    host.since = now();
    const incident = { id: nextIncident, host: host.name, check: 'cpu_monitor.cpu_percent', state: 'warn', peak: 'warn', status: 'warning', text: host.text, since: now(), resolved: null, ack: null, silenced: null, cause: null, symptoms: 0, rule: 'above 85 for 5 min', value: 91, unit: 'percent', limits: { warning: 85, critical: null }, strip: 'o47w1', spark: spark('rise'), comments: [], timeline: [] };
    const made = event('transition', 'cpu over 85 %', { host: host.name, check: incident.check, incident: incident.id, state: 'warn' });
    incident.timeline.push(made);
    incidents.push(incident);
    push({ counts: counts(), problems: { add: [problemOf(incident)], drop: [] }, events: [made] });
    setTimeout(() => {
      host.state = 'o';
      host.text = '';
      incident.resolved = now();
      const done = event('transition', 'cpu recovered', { host: host.name, check: incident.check, incident: incident.id, state: 'ok' });
      incident.timeline.push(done);
      push({ counts: counts(), problems: { add: [], drop: [incident.id] }, events: [done] });
    }, 40_000).unref();
  }, flag('storm') ? 1000 : 25_000).unref();
}

const server = createServer((request, answer) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname.startsWith('/api/0')) {
    api(request, answer, url).catch((error) => problem(answer, 500, 'Fault', String(error)));
    return;
  }
  file(request, answer, url.pathname);
});
server.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'];
  const session = cookie(request, 'hark');
  if (request.url !== '/ws' || !key || !session || !sessions.has(session)) {
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    return;
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const client = { socket, seq: 0, sub: [], rows: new Set() };
  clients.add(client);
  send(client, { type: 'hello', version: '0.1.0-mock' });
  let rest = Buffer.alloc(0);
  socket.on('data', (part) => {
    rest = Buffer.concat([rest, part]);
    for (;;) {
      if (rest.length < 2) return;
      let length = rest[1] & 127;
      let from = 2;
      if (length === 126) {
        if (rest.length < 4) return;
        length = rest.readUInt16BE(2);
        from = 4;
      }
      if (rest.length < from + 4 + length) return;
      const mask = rest.subarray(from, from + 4);
      const text = Buffer.from(rest.subarray(from + 4, from + 4 + length).map((byte, index) => byte ^ mask[index % 4])).toString();
      const code = rest[0] & 15;
      rest = rest.subarray(from + 4 + length);
      if (code === 8) {
        socket.end();
        return;
      }
      if (code !== 1) continue;
      try {
        const wanted = JSON.parse(text);
        client.sub = wanted.sub ?? [];
        client.rows = new Set(wanted.rows ?? []);
        snapshot(client);
      } catch {
        // Not for us.
      }
    }
  });
  const gone = () => clients.delete(client);
  socket.on('close', gone);
  socket.on('error', gone);
});
server.listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
