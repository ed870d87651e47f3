// Texts of the page in the language of the reader. English is always there; every other language is one chunk of its own.
import { en } from './en.ts';
import { format, type Values } from './icu.ts';

export type Key = keyof typeof en;
export type Messages = Record<Key, string>;

/** Languages that are complete. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

let messages: Messages = en;
let rules = new Intl.PluralRules('en');

/** The language in use. */
export let language: Language = 'en';

/** Chooses the language, before the first view is made: the reader's own choice, then what the browser asks for. */
export async function choose(wanted: string): Promise<void> {
  if (!wanted.toLowerCase().startsWith('de')) return;
  messages = (await import('./de.ts')).de;
  language = 'de';
  rules = new Intl.PluralRules('de');
  document.documentElement.lang = 'de';
}

/** Returns the text of `key`, filled with `values`. */
export const t = (key: Key, values: Values = {}): string => format(messages[key], values, rules);
