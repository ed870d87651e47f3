// What the engine writes when it keeps a message back, for people.

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
