// Which page an address leads to.

/** The pages that there are. */
export type PageName =
  | 'overview'
  | 'hosts'
  | 'host'
  | 'checks'
  | 'metrics'
  | 'incidents'
  | 'maintenance'
  | 'notifications'
  | 'agents'
  | 'journal'
  | 'dashboards'
  | 'dashboard'
  | 'status'
  | 'wall'
  | 'settings'
  | 'users'
  | 'configuration'
  | 'more'
  | 'missing';

export interface Found {
  name: PageName;
  params: Record<string, string>;
}

const FIXED: Record<string, PageName> = {
  '/': 'overview',
  '/hosts': 'hosts',
  '/checks': 'checks',
  // Not `/metrics`: there the server answers with its own, as Prometheus reads them.
  '/all-metrics': 'metrics',
  '/incidents': 'incidents',
  '/maintenance': 'maintenance',
  '/notifications': 'notifications',
  '/agents': 'agents',
  '/journal': 'journal',
  '/dashboards': 'dashboards',
  '/status-pages': 'status',
  '/wall': 'wall',
  '/settings': 'settings',
  '/users': 'users',
  '/settings/configuration': 'configuration',
  '/more': 'more',
  '/login': 'overview',
  '/setup': 'overview',
  // Addresses of the first of the programs whose place this one takes.
  '/live': 'hosts',
  '/plugins': 'metrics',
  '/alerts': 'incidents',
};

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The page at a path. */
export function route(path: string): Found {
  const clean = path.length > 1 ? path.replace(/\/+$/, '') : path;
  const fixed = FIXED[clean];
  if (fixed) return { name: fixed, params: {} };
  const host = /^\/hosts\/([^/]+)$/.exec(clean);
  if (host?.[1]) return { name: 'host', params: { name: decoded(host[1]) } };
  const incident = /^\/incidents\/(\d+)$/.exec(clean);
  if (incident?.[1]) return { name: 'incidents', params: { id: incident[1] } };
  const dashboard = /^\/dashboards\/(\d+)$/.exec(clean);
  if (dashboard?.[1]) return { name: 'dashboard', params: { id: dashboard[1] } };
  const object = /^\/settings\/configuration\/([^/]+)(?:\/([^/]+))?$/.exec(clean);
  if (object?.[1]) return { name: 'configuration', params: { section: decoded(object[1]), name: decoded(object[2] ?? '') } };
  return { name: 'missing', params: {} };
}
