// The chunks behind addresses. Each page is a chunk of its own; a link that is pointed at loads it ahead.
import type { Component } from 'svelte';
import { route, type Found, type PageName } from './address.ts';

export const entries = {
  setup: () => import('../pages/Setup.svelte'),
  login: () => import('../pages/Login.svelte'),
  factor: () => import('../pages/Factor.svelte'),
};

export const loaders = {
  overview: () => import('../pages/Overview.svelte'),
  hosts: () => import('../pages/Hosts.svelte'),
  host: () => import('../pages/Host.svelte'),
  checks: () => import('../pages/Checks.svelte'),
  metrics: () => import('../pages/Metrics.svelte'),
  incidents: () => import('../pages/Incidents.svelte'),
  maintenance: () => import('../pages/Maintenance.svelte'),
  notifications: () => import('../pages/Notifications.svelte'),
  agents: () => import('../pages/Agents.svelte'),
  dashboards: () => import('../pages/Dashboards.svelte'),
  dashboard: () => import('../pages/Dashboard.svelte'),
  journal: () => import('../pages/Journal.svelte'),
  status: () => import('../pages/StatusPages.svelte'),
  wall: () => import('../pages/Wall.svelte'),
  settings: () => import('../pages/Settings.svelte'),
  users: () => import('../pages/Users.svelte'),
  configuration: () => import('../pages/Configuration.svelte'),
  more: () => import('../pages/More.svelte'),
  missing: () => import('../pages/Missing.svelte'),
} satisfies Record<PageName, () => Promise<unknown>>;

export interface Loaded extends Found {
  view: Component<Record<string, string>>;
}

/** Loads the chunk of a link before it is followed. */
export function ahead(path: string): void {
  void loaders[route(path).name]().catch(() => undefined);
}
