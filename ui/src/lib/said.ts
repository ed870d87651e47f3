// What the server says in English, in another language: sentences that hark itself makes, with the places in them that differ.
//
// The English sentence is its own name, as in the catalogues of gettext: the server has one language, whatever reads its answers, its journal and its
// messages, and a sentence that is not known here stays as it came. So do the words of programs, of receivers and of people.
// Pure: what another language says comes in with its messages.

/**
 * A sentence and what it is in the other language. Places: `{a}` anything, `{a*}` a sentence of its own, `{a!}` one word of a state or a reason,
 * `{a~}` a length of time, `{a#}` a number. Of several that fit the first holds.
 */
export type Sentence = readonly [english: string, other: string];

/** Words that stand alone in a sentence: states, severities, kinds of messages. */
export type Words = Readonly<Record<string, string>>;

const PLACE = /\{(\w+)([*!~#]?)\}/g;
const TIME = String.raw`\d+ ?(?:s|min|m|h|days|d)(?: \d+ ?(?:s|min|m|h|d))?`;
/** A sentence within a sentence within a sentence: what is deeper is no sentence of ours. */
const DEEPEST = 4;
/** Sentences that are remembered: what a screen shows, some times over. */
const REMEMBERED = 2000;
/** The longest text that is looked at: the longest of our own with some names in it. */
const LONGEST = 600;

interface Known {
  begins: string;
  fits: RegExp;
  places: [name: string, kind: string][];
  other: string;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

function prepare([english, other]: Sentence, words: Words): Known {
  const places: [string, string][] = [];
  const choices = Object.keys(words).map(escaped).join('|');
  let pattern = '';
  let from = 0;
  for (const found of english.matchAll(PLACE)) {
    const [whole, name = '', kind = ''] = found;
    places.push([name, kind]);
    pattern += escaped(english.slice(from, found.index));
    pattern += kind === '!' ? `(${choices})` : kind === '~' ? `(${TIME})` : kind === '#' ? String.raw`(\d+)` : '([^]+?)';
    from = found.index + whole.length;
  }
  pattern += escaped(english.slice(from));
  return { begins: english.split('{', 1)[0] ?? '', fits: new RegExp(`^${pattern}$`), places, other };
}

/** `3h 5m` and `2 days 4 h` as people write them. */
const lasting = (text: string, days: string): string => text.replace(/(\d+) ?(days|min|s|m|h|d)/g, (_, n: string, unit: string) => `${n}\u00a0${unit === 'm' ? 'min' : unit === 'days' ? days : unit}`);

/** Makes what says a sentence of the server in another language; a text that is none comes back as it is. */
export function speaker(sentences: readonly Sentence[], words: Words, days: string): (text: string) => string {
  let known: Known[] | null = null;
  const remembered = new Map<string, string>();
  function one(text: string, depth: number): string {
    if (text.length > LONGEST || depth > DEEPEST) return text;
    if (Object.hasOwn(words, text)) return words[text] ?? text;
    known ??= sentences.map((sentence) => prepare(sentence, words));
    for (const { begins, fits, places, other } of known) {
      if (!text.startsWith(begins)) continue;
      const match = fits.exec(text);
      if (!match) continue;
      const found = new Map(places.map(([name, kind], at) => [name, { kind, text: match[at + 1] ?? '' }]));
      return other.replace(PLACE, (whole, name: string) => {
        const place = found.get(name);
        if (place === undefined) return whole;
        if (place.kind === '*') return one(place.text, depth + 1);
        if (place.kind === '!') return words[place.text] ?? place.text;
        return place.kind === '~' ? lasting(place.text, days) : place.text;
      });
    }
    return text;
  }
  return (text) => {
    const before = remembered.get(text);
    if (before !== undefined) return before;
    const said = one(text, 0);
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(text, said);
    return said;
  };
}
