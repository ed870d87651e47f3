// Addresses and the chunks behind them. Each page is a chunk of its own; a link that is pointed at loads it ahead.
import type { Component } from 'svelte';

export const loaders = {
  setup: () => import('../pages/Setup.svelte'),
  login: () => import('../pages/Login.svelte'),
  overview: () => import('../pages/Overview.svelte'),
  hosts: () => import('../pages/Hosts.svelte'),
  host: () => import('../pages/Host.svelte'),
  incidents: () => import('../pages/Incidents.svelte'),
  maintenance: () => import('../pages/Maintenance.svelte'),
  notifications: () => import('../pages/Notifications.svelte'),
  agents: () => import('../pages/Agents.svelte'),
  journal: () => import('../pages/Journal.svelte'),
  settings: () => import('../pages/Settings.svelte'),
  more: () => import('../pages/More.svelte'),
  missing: () => import('../pages/Missing.svelte'),
};

export type PageName = keyof typeof loaders;

export interface Found {
  name: PageName;
  params: Record<string, string>;
}

export interface Loaded extends Found {
  view: Component<Record<string, string>>;
}

const FIXED: Record<string, PageName> = {
  '/': 'overview',
  '/hosts': 'hosts',
  '/incidents': 'incidents',
  '/maintenance': 'maintenance',
  '/notifications': 'notifications',
  '/agents': 'agents',
  '/journal': 'journal',
  '/settings': 'settings',
  '/more': 'more',
  '/login': 'overview',
  '/setup': 'overview',
  // Addresses of the first of the programs whose place this one takes.
  '/live': 'hosts',
  '/plugins': 'hosts',
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
  return { name: 'missing', params: {} };
}

/** Loads the chunk of a link before it is followed. */
export function ahead(path: string): void {
  void loaders[route(path).name]().catch(() => undefined);
}
