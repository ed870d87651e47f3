// The part of ICU message syntax that the texts use: `{name}`, and `{n, plural, =0 {…} one {…} other {# …}}`.
import { number } from '../lib/format.ts';

export type Values = Record<string, string | number | null | undefined>;

/** Index of the brace that closes the one at `from`. */
function close(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return text.length - 1;
}

function plural(cases: string, count: number, rules: Intl.PluralRules, values: Values): string {
  const found = new Map<string, string>();
  for (let at = 0; at < cases.length; ) {
    const brace = cases.indexOf('{', at);
    if (brace < 0) break;
    const end = close(cases, brace);
    found.set(cases.slice(at, brace).trim(), cases.slice(brace + 1, end));
    at = end + 1;
  }
  const chosen = found.get(`=${count}`) ?? found.get(rules.select(count)) ?? found.get('other') ?? '';
  return format(chosen.replaceAll('#', number(count)), values, rules);
}

/** Fills a message. A value that is not given shows as its name, so that a mistake is seen. */
export function format(text: string, values: Values, rules: Intl.PluralRules): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const brace = text.indexOf('{', at);
    if (brace < 0) return out + text.slice(at);
    out += text.slice(at, brace);
    const end = close(text, brace);
    const inside = text.slice(brace + 1, end);
    const [name = '', kind] = inside.split(',', 2).map((part) => part.trim());
    const value = values[name];
    if (kind === 'plural') {
      const cases = inside.slice(inside.indexOf(',', inside.indexOf(',') + 1) + 1);
      out += plural(cases, Number(value ?? 0), rules, values);
    } else {
      out += value === undefined ? name : typeof value === 'number' ? number(value) : String(value);
    }
    at = end + 1;
  }
  return out;
}
