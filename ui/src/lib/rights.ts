// What the page offers to whom. The server decides; what it would refuse is not offered.
import type { Me } from './api-types.ts';

/**
 * Whether somebody may act on a host: acknowledge, comment, silence, order actions. Who sees a host has a role on it, and the one that only looks is
 * the monitor's; a host that came after the sign-in is in no list of roles yet.
 */
export const mayOperate = (me: Me | null, host: string): boolean => me !== null && (me.admin || me.roles[host] !== 'monitor');

/** Whether somebody may act on some host. */
export const mayOperateSome = (me: Me | null): boolean => me !== null && (me.admin || Object.values(me.roles).some((role) => role !== 'monitor'));
