// The metrics of all hosts, as the stand-in tells them.

/** What a metric is called in questions. */
const nameOf = (one) => `hark_${one.collector.replace(/_monitor$/, '')}_${one.metric}${one.kind === 'counter' ? '_total' : ''}`;

/** Answers what /api/0 has below /metrics. `measured` are hosts with their metrics as their own page shows them. */
export function metrics(path, params, measured) {
  const rows = measured.flatMap(({ host, items }) => items.map((one) => ({ host, one, name: nameOf(one) })));
  const asked = /^\/metrics\/([^/]+)\/hosts$/.exec(path);
  if (asked) {
    const q = (params.get('q') ?? '').toLowerCase();
    const found = rows.filter((row) => row.name === decodeURIComponent(asked[1]) && `${row.host} ${row.one.instance}`.toLowerCase().includes(q));
    const items = found.map(({ host, one }) => ({ host, instance: one.instance, path: one.path, last: one.last, at_unix_s: one.at_unix_s }));
    if (!rows.some((row) => row.name === decodeURIComponent(asked[1]))) return null;
    items.sort((a, b) => a.host.localeCompare(b.host) || a.instance.localeCompare(b.instance));
    return { items: items.slice(0, Number(params.get('limit') ?? 100)), next: null };
  }
  const names = new Map();
  for (const { host, one, name } of rows) {
    const known = names.get(name) ?? { name, collector: one.collector, metric: one.metric, unit: one.unit, kind: one.kind, on: new Set() };
    known.on.add(host);
    names.set(name, known);
  }
  return [...names.values()].map(({ on, ...one }) => ({ ...one, hosts: on.size })).sort((a, b) => a.name.localeCompare(b.name));
}
