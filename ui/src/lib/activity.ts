// What the engine writes when it keeps a message back, for people.
import type { Activity } from './api-types.ts';
import { told, visible } from './format.ts';

/** A message that was kept back: by which step, and why. */
export interface KeptBack {
  step: string;
  why: string;
}

/** What kind of message it was stands between step and reason, and says nothing that the reason does not. */
const KIND = /^(?:problem|worse|better|recovery|reminder|acknowledged|flap_start|flap_end|removed|merged|summary|event|report|test): /;

/** Takes `silence: problem: known until 12:00` apart; `null` where no step stands in front. */
export function keptBack(text: string): KeptBack | null {
  const found = /^([a-z]+): (.+)$/s.exec(text);
  if (!found) return null;
  return { step: found[1] as string, why: (found[2] as string).replace(KIND, '') };
}

/** Kinds of events that hark itself makes, which stand before their text; every other kind is the word of a program. */
export const KINDS = ['boot', 'shutdown', 'message', 'log', 'busy', 'new_host', 'order', 'dns', 'series_refused', 'log_watch', 'unit', 'smart', 'read_only', 'address_changed', 'power', 'zfs_pool', 'oom_kill', 'container'] as const;
export type EventKey = `event.${(typeof KINDS)[number]}`;

/** Says what happened: `new_host: heard for the first time` by the name of its kind, then the sentence. */
export function happened(text: string, name: (key: EventKey) => string): string {
  const at = text.indexOf(': ');
  const kind = KINDS.find((one) => one === text.slice(0, at));
  return kind === undefined ? told(text) : `${name(`event.${kind}`)}: ${told(text.slice(at + 2))}`;
}

/** The name of a kind of event. */
export function kindName(word: string, name: (key: EventKey) => string): string {
  const kind = KINDS.find((one) => one === word);
  return kind === undefined ? visible(word) : name(`event.${kind}`);
}

/** Names the lines of a list for as long as they are in it, so that one more on top leaves the others as they are. */
export function keyed(events: readonly Activity[]): [string, Activity][] {
  const seen = new Map<string, number>();
  const from = (event: Activity): [string, Activity] => {
    const what = [event.at_unix_s, event.kind, event.host, event.check, event.text].join('\n');
    const before = seen.get(what) ?? 0;
    seen.set(what, before + 1);
    return [`${what}\n${before}`, event];
  };
  // From the oldest on: what comes new is on top, and two of the same do not change places.
  return events.toReversed().map(from).reverse();
}
