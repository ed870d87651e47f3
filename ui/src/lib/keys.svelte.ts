// Single keys and sequences. They act only outside fields, and can be switched off (WCAG 2.1.4).

import { untrack } from 'svelte';

export interface Binding {
  keys: string;
  /** Text for the list of keys. */
  does: string;
  run: () => void;
}

/** Time between the two keys of a sequence such as `G` `H`. */
const SEQUENCE_MS = 1200;

class Keys {
  #stack: Binding[][] = [];
  #prefix: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Grows when bindings come or go. */
  version = $state(0);
  on = $state(localStorage.getItem('hark.keys') !== 'off');

  toggle(on: boolean): void {
    this.on = on;
    localStorage.setItem('hark.keys', on ? 'on' : 'off');
  }

  /** Adds keys while a view is there; returns what takes them away. Later ones win. */
  add(bindings: Binding[]): () => void {
    this.#stack.push(bindings);
    this.#changed();
    return () => {
      this.#stack = this.#stack.filter((entry) => entry !== bindings);
      this.#changed();
    };
  }

  // Bindings are added inside effects, which must not come to depend on the number that they change.
  #changed(): void {
    untrack(() => {
      this.version += 1;
    });
  }

  /** Every key that acts now, each once. */
  list(): Binding[] {
    const seen = new Set<string>();
    const out: Binding[] = [];
    for (const bindings of [...this.#stack].reverse()) {
      for (const binding of bindings) {
        if (binding.does === '' || seen.has(binding.keys)) continue;
        seen.add(binding.keys);
        out.push(binding);
      }
    }
    return out;
  }

  #find(keys: string): Binding | undefined {
    for (const bindings of [...this.#stack].reverse()) {
      const found = bindings.find((binding) => binding.keys === keys);
      if (found) return found;
    }
    return undefined;
  }

  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      const found = this.#find(`Ctrl ${key}`);
      if (found && (key === 'K' || !inField(event.target))) {
        event.preventDefault();
        found.run();
      }
      return;
    }
    if (event.altKey || !this.on || inField(event.target)) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const shifted = event.shiftKey && event.key.length === 1 && /[a-z]/i.test(event.key) ? `Shift ${key}` : key;
    const wanted = this.#prefix === null ? shifted : `${this.#prefix} ${key}`;
    clearTimeout(this.#timer);
    this.#prefix = null;
    const found = this.#find(wanted);
    if (found) {
      event.preventDefault();
      found.run();
      return;
    }
    if (this.#stack.some((bindings) => bindings.some((binding) => binding.keys.startsWith(`${shifted} `)))) {
      this.#prefix = shifted;
      this.#timer = setTimeout(() => {
        this.#prefix = null;
      }, SEQUENCE_MS);
    }
  }
}

function inField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'submit'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export const keys = new Keys();

/** Moves the focus along the elements that match, by `step`; used by J and K, so that screen readers follow. */
export function step(selector: string, by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>(selector)];
  if (all.length === 0) return;
  const at = all.findIndex((element) => element === document.activeElement || element.contains(document.activeElement));
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}
