// Orders of actions: who may give them, and how often the page looks after one whose outcome has not come.
import type { Check, Me, Order } from './api-types.ts';
import { unix } from './format.ts';
import { mayOperate } from './rights.ts';

/** Somebody who has just ordered looks at the page: the agent fetches and runs within a few seconds. */
const SOON_MS = 2000;
/** After that the agent is away, or its outcome may never come. */
const LATER_MS = 15_000;
/** How long an order is looked after closely, in seconds: twice the time limit that an action has unless its file says otherwise. */
const CLOSELY_S = 60;

/** Whether somebody may have a check looked at now: only what the server or its sites look at can be, agents and jobs report by themselves. */
export const mayLook = (me: Me | null, host: string, check: Pick<Check, 'is_looked_at'>): boolean => check.is_looked_at && mayOperate(me, host);

/** Whether the outcome of an order has not come. */
export const isOpen = (order: Order): boolean => order.state === 'waiting' || order.state === 'taken';

/** Milliseconds between two looks at `orders`; null when no outcome is waited for. */
export function pace(orders: readonly Order[], now: number): number | null {
  const open = orders.filter(isOpen);
  if (open.length === 0) return null;
  return open.some((order) => now - (unix(order.at) ?? 0) < CLOSELY_S) ? SOON_MS : LATER_MS;
}

/** The orders of `before` whose outcome stands in `after`. */
export const ended = (before: readonly Order[], after: readonly Order[]): Order[] =>
  after.filter((order) => !isOpen(order) && before.some((other) => other.id === order.id && isOpen(other)));
