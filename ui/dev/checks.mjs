// The checks of all hosts, as the stand-in tells them.

const WORST = { critical: 0, warning: 1, unknown: 2, pending: 3, ok: 4 };

/** Of which kind a check is, how often is looked, and how long that takes. */
const looks = (name) => {
  if (name === 'host') return { kinds: ['host'], interval_seconds: 15, p95_seconds: null };
  if (name.includes('_monitor.')) return { kinds: ['limit'], interval_seconds: 15, p95_seconds: null };
  const kind = { https: 'http', tls: 'tls', 'snmp-if': 'snmp', replication: 'postgres', backup: 'push' }[name] ?? 'tcp';
  return { kinds: [kind], interval_seconds: kind === 'push' ? null : 60, p95_seconds: kind === 'push' ? null : 0.02 + name.length / 50 };
};

/** Answers what /api/0 has below /checks; `null` for another path. `checked` are hosts as their own page shows them. */
export function checks(path, params, checked) {
  if (path !== '/checks' && path !== '/checks/summary') return null;
  const rows = checked.flatMap((host) =>
    host.checks.map((one) => ({
      host: host.name,
      check: one.name,
      status: one.status,
      value: one.value,
      unit: one.unit,
      text: one.text,
      changed_at: one.changed_at,
      seen_at: host.last_heard_at,
      incident: one.status === 'ok' ? null : (host.incidents[0] ?? null),
    })),
  );
  if (path === '/checks') {
    const wanted = rows.filter((row) => !params.has('check') || row.check === params.get('check'));
    wanted.sort((a, b) => WORST[a.status] - WORST[b.status]);
    return { items: wanted.slice(0, Number(params.get('limit') ?? 100)), next: null };
  }
  const names = new Map();
  for (const row of rows) {
    const one = names.get(row.check) ?? { check: row.check, description: null, ...looks(row.check), host: row.host, hosts: 0, critical: 0, warning: 0, unknown: 0, ok: 0, pending: 0, changed_at: row.changed_at };
    one.hosts += 1;
    if (one.hosts > 1) one.host = null;
    one[row.status] += 1;
    if (row.changed_at > one.changed_at) one.changed_at = row.changed_at;
    names.set(row.check, one);
  }
  return [...names.values()].sort((a, b) => b.critical - a.critical || b.warning - a.warning || b.unknown - a.unknown || a.check.localeCompare(b.check));
}
