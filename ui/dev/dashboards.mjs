// Dashboards of the stand-in: kept in memory, checked a little, imported hardly.

const panel = (kind, title, width, height, more = {}) => ({ kind, title, width, height, hosts: [], tag: null, metrics: [], compare: null, text: '', ...more });

/** The dashboards of a stand-in whose user is `user`. */
export function dashboards(user, now) {
  const all = new Map();
  let last = 0;
  const make = (content, owner = user) => {
    last += 1;
    const one = { id: last, version: 1, owner, updated_at: now(), may_change: owner === user, removed: false, content: { description: '', range: '', shared: { everyone: false, users: [], teams: [] }, variables: { host: null, tag: null }, panels: [], ...content } };
    all.set(last, one);
    return one;
  };
  make({
    title: 'Databases',
    description: 'What the people on call look at first.',
    range: '24h',
    shared: { everyone: true, users: [], teams: [] },
    variables: { host: 'db-03.fra', tag: 'role:db' },
    panels: [
      panel('value', 'Memory of $host', 3, 1, { hosts: ['$host'], metrics: ['memory_monitor.percent'] }),
      panel('value', 'Load', 3, 1, { hosts: ['$host'], metrics: ['cpu_monitor.load_1min'] }),
      panel('text', 'Read me', 6, 1, { text: 'The runbook is at https://wiki.example.net/databases\n\nAsk Ida before a failover.' }),
      panel('chart', 'CPU of $host', 6, 3, { hosts: ['$host'], metrics: ['cpu_monitor.cpu_percent'], compare: '7d' }),
      panel('chart', 'Memory of $tag', 6, 3, { tag: '$tag', metrics: ['memory_monitor.percent'] }),
      panel('states', 'Databases', 6, 3, { tag: '$tag' }),
      panel('incidents', '', 6, 3),
    ],
  });
  make({ title: 'Of somebody else', shared: { everyone: true, users: [], teams: [] }, panels: [panel('incidents', 'Open', 12, 3)] }, 'jonas');
  const shown = ({ removed: _, ...one }) => one;
  const row = ({ content, removed: _, ...one }) => ({ ...one, title: content.title, description: content.description, shared: content.shared, panels: content.panels.length });

  /** Answers a request: status and body; null for a path that is not about dashboards. */
  return (method, path, data) => {
    if (path === '/dashboards' && method === 'GET') return [200, { items: [...all.values()].filter((one) => !one.removed).map(row), next: null }];
    if (path === '/dashboards') return data.title ? [200, shown(make(data))] : [422, { title: 'Fields are wrong', detail: 'title: say what it is called', errors: [{ field: 'title', detail: 'say what it is called' }] }];
    if (path === '/dashboards/import') {
      const { panels = [], title = 'Grafana' } = data.grafana ?? {};
      const known = panels.filter((one) => one.type === 'text');
      return [200, { content: { title, description: '', range: '', shared: { everyone: false, users: [], teams: [] }, variables: { host: null, tag: null }, panels: known.map((one) => panel('text', one.title, 6, 2)) }, left_out: panels.filter((one) => one.type !== 'text').map((one) => `panel \`${one.title}\`: there is no kind like \`${one.type}\``) }];
    }
    const found = /^\/dashboards\/(\d+)(\/restore)?$/.exec(path);
    if (!found) return null;
    const one = all.get(Number(found[1]));
    const back = found[2] !== undefined;
    if (!one || one.removed !== back) return [404, { title: 'Not found', detail: 'there is no such object, or it is not visible to you' }];
    if (method === 'GET') return [200, shown(one)];
    if (!one.may_change) return [403, { title: 'Another role is needed', detail: 'this needs the role owner of the dashboard' }];
    if (back) one.removed = false;
    else if (method === 'DELETE') {
      one.removed = true;
      return [204, null];
    } else if (data.version !== undefined && data.version !== null && data.version !== one.version) return [409, { title: 'Not possible in this state', detail: `it was changed meanwhile: it is version ${one.version} now` }];
    else Object.assign(one, { version: one.version + 1, updated_at: now(), content: data.content });
    return [200, shown(one)];
  };
}
