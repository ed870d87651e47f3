// Texts of the page in the language of the reader. English is always there; every other language is one chunk of its own.
import { en } from './en.ts';
import { speakWith } from '../lib/format.ts';
import { format, type Values } from './icu.ts';

/** Texts that are always there. */
export type Key = keyof typeof en;

/** Languages that are complete. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

let messages: Readonly<Record<string, string>> = en;
let rules = new Intl.PluralRules('en');

/** The language in use. */
export let language: Language = 'en';

/** Chooses the language, before the first view is made: the reader's own choice, then what the browser asks for. */
export async function choose(wanted: string): Promise<void> {
  if (!wanted.toLowerCase().startsWith('de')) return;
  const found = await import('./de.ts');
  messages = found.de;
  speakWith(found.speech);
  language = 'de';
  rules = new Intl.PluralRules('de');
  document.documentElement.lang = 'de';
}

/** Returns the text of `key`, filled with `values`. */
export const t = partOf({});

/**
 * Returns what gives the texts of a part of the page, whose English ones are `own`, beside those that are always there. They come
 * with the part; another language than English has all from the start.
 */
export function partOf<Own extends Record<string, string>>(own: Own): (key: Key | (keyof Own & string), values?: Values) => string {
  return (key, values = {}) => format(messages[key] ?? own[key] ?? key, values, rules);
}
