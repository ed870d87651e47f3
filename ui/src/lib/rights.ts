// What the page offers to whom. The server decides; what it would refuse is not offered.
import type { Me } from './api-types.ts';

/** Whether somebody may do or see something else than before: his name for people is no right, and the order of his hosts says nothing. */
export function differs(a: Me, b: Me): boolean {
  const hosts = Object.keys(a.roles);
  const sameRoles = hosts.length === Object.keys(b.roles).length && hosts.every((host) => a.roles[host] === b.roles[host]);
  return !sameRoles || a.name !== b.name || a.admin !== b.admin || a.open !== b.open || a.second_factor !== b.second_factor;
}

/**
 * Whether somebody may act on a host: acknowledge, comment, silence, order actions. Who sees a host has a role on it, and the one that only looks is
 * the monitor's; on a host that came after his roles were asked for nothing is offered until they are asked for again.
 */
export const mayOperate = (me: Me | null, host: string): boolean => me !== null && (me.admin || (me.roles[host] ?? 'monitor') !== 'monitor');

/** Whether somebody may drop a host and hand it over. */
export const mayDrop = (me: Me | null, host: string): boolean => me !== null && (me.admin || me.roles[host] === 'owner');

/** Whether somebody sees a host of which it is not known what he may do there. */
export const meets = (me: Me | null, hosts: string[]): boolean => me !== null && !me.admin && hosts.some((host) => me.roles[host] === undefined);

/** Whether somebody may act on some host. */
export const mayOperateSome = (me: Me | null): boolean => me !== null && (me.admin || Object.values(me.roles).some((role) => role !== 'monitor'));
