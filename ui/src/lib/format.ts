// Numbers, durations and times as the page writes them. Pure: the language, the zone and the present come in as arguments.
import { field, there, typed, zoneName } from './zone.ts';

/** Splits thousands without letting a line break in. */
const NARROW = '\u202f';
/** Keeps a number and its unit on one line. */
const HARD = '\u00a0';
/** Stands where there is no value. */
export const NOTHING = '–';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Words that carry a unit of time. */
export interface TimeWords {
  s: string;
  min: string;
  h: string;
  d: string;
  y: string;
}

/** Short forms of the reader's language: English ones until another one brings its own. */
export let TIME_WORDS: TimeWords = { s: 's', min: 'min', h: 'h', d: 'd', y: 'y' };

/** Writes a number with `decimals` places and split thousands: `41 208`, `99.98`. */
export function number(value: number, decimals = 0, point = '.'): string {
  if (!Number.isFinite(value)) return NOTHING;
  const [whole = '0', part] = Math.abs(value).toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
  const rounded = `${whole}${part ?? ''}`.replace(/0/g, '');
  const sign = value < 0 && rounded !== '' ? '−' : '';
  return sign + grouped + (part === undefined ? '' : point + part);
}

/** Chooses places so that three digits matter: `96.2`, `6.21`, `412`. */
export function precise(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return number(value);
  return number(value, size >= 10 ? 1 : 2);
}

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];
const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P'];

/** Divisor and prefix that make `value` readable. */
export function prefix(value: number, base: 1000 | 1024): { by: number; sign: string } {
  const signs = base === 1024 ? BINARY : DECIMAL;
  let by = 1;
  let at = 0;
  while (Math.abs(value) / by >= base && at < signs.length - 1) {
    by *= base;
    at += 1;
  }
  return { by, sign: signs[at] ?? '' };
}

/** How values of one unit of the API are shown on one scale. */
export interface Scale {
  by: number;
  sign: string;
}

const BYTES_IN: Record<string, number> = { bytes: 1, mebibytes: 1024 ** 2, gibibytes: 1024 ** 3 };
const SIGNS: Record<string, string> = { percent: '%', megahertz: 'MHz', celsius: '°C', per_second: '/s', seconds: 's', milliseconds: 'ms' };

/** The API writes units as words; signs are understood as well. */
const WORDS: Record<string, string> = { '%': 'percent', B: 'bytes', 'B/s': 'bytes_per_second', MiB: 'mebibytes', GiB: 'gibibytes', s: 'seconds', ms: 'milliseconds', '/s': 'per_second', MHz: 'megahertz', '°C': 'celsius' };
export const unitWord = (unit: string): string => WORDS[unit] ?? unit;

/** Chooses the scale of a chart or a value: the biggest value decides, so that one axis has one unit. */
export function scale(given: string, biggest: number): Scale {
  const unit = unitWord(given);
  const bytes = BYTES_IN[unit];
  if (bytes !== undefined) {
    const found = prefix(biggest * bytes, 1024);
    return { by: found.by / bytes, sign: `${found.sign}B` };
  }
  if (unit === 'bytes_per_second') {
    const found = prefix(biggest, 1000);
    return { by: found.by, sign: `${found.sign}B/s` };
  }
  if (unit === 'seconds' && biggest !== 0 && Math.abs(biggest) < 1) {
    return Math.abs(biggest) < 0.001 ? { by: 1e-6, sign: 'µs' } : { by: 1e-3, sign: 'ms' };
  }
  if (unit === '' || unit === 'per_second') {
    const found = prefix(biggest, 1000);
    const big = Math.abs(biggest) >= 10_000;
    return { by: big ? found.by : 1, sign: (big ? found.sign : '') + (SIGNS[unit] ?? '') };
  }
  return { by: 1, sign: SIGNS[unit] ?? unit };
}

/** Writes a value with its unit: `96.2 %`, `1.8 ms`, `12.4 GiB`, and long times as durations. */
export function quantity(value: number | null | undefined, given: string): string {
  const unit = unitWord(given);
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  if (unit === 'seconds' && Math.abs(value) >= 60) return duration(value);
  const { by, sign } = scale(unit, value);
  const shown = value / by;
  const text = unit === 'percent' ? number(shown, 1) : precise(Number(shown.toPrecision(4)));
  return sign === '' ? text : text + HARD + sign;
}

/** Writes a length of time with its one or two biggest parts: `38 min`, `2 h`, `1 h 8 min` when `parts` is 2. */
export function duration(seconds: number, parts = 1, words: TimeWords = TIME_WORDS): string {
  let left = Math.max(0, Math.round(seconds));
  if (left < MINUTE) return `${left}${HARD}${words.s}`;
  const steps: [number, string][] = [
    [YEAR, words.y],
    [DAY, words.d],
    [HOUR, words.h],
    [MINUTE, words.min],
    [1, words.s],
  ];
  const out: string[] = [];
  for (const [size, word] of steps) {
    const count = Math.floor(left / size);
    if (count === 0 && out.length === 0) continue;
    if (count > 0) out.push(`${count}${HARD}${word}`);
    left -= count * size;
    if (out.length === parts || (parts > 1 && size === MINUTE)) break;
    if (out.length > 0 && parts === 1) break;
  }
  return out.join(' ');
}

/** Writes how long ago something was, never below nothing. */
export function age(then: number | null | undefined, now: number, words: TimeWords = TIME_WORDS): string {
  if (then === null || then === undefined) return NOTHING;
  return duration(now - then, 1, words);
}

/** The same for lists of what is mostly just now: below a minute nothing counts up. */
export function agePast(then: number | null | undefined, now: number, words: TimeWords = TIME_WORDS): string {
  if (then === null || then === undefined || !Number.isFinite(then)) return NOTHING;
  return now - then < MINUTE ? `<${HARD}1${HARD}${words.min}` : age(then, now, words);
}

/** Unix seconds of an RFC 3339 text; null for nothing or for nonsense. */
export function unix(text: string | null | undefined): number | null {
  if (!text) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at / 1000;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Writes the clock time of a moment in the reader's zone: `14:22`, or `14:22:15` with seconds. */
export function clock(seconds: number, withSeconds = false): string {
  const at = there(seconds);
  const text = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  return withSeconds ? `${text}:${two(at.getUTCSeconds())}` : text;
}

/** Writes a share in percent without its sign, rounded down: what is not whole never reads as the whole. */
export function share(ratio: number): string {
  // 0.57 * 10000 is a little less than 5700 in floating point: that is not rounded down.
  const hundredths = Math.floor(Number((ratio * 10_000).toFixed(4)));
  return number(hundredths / 100, hundredths % 100 === 0 ? 0 : 2);
}

/** Writes a moment fully: `2026-11-20 14:22:15`. */
export function moment(seconds: number | null): string {
  if (seconds === null) return NOTHING;
  const at = there(seconds);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${clock(seconds, true)}`;
}

/** Locale of a language's dates: English ones begin with the day. */
export const locale = (language: string): string => (language === 'en' ? 'en-GB' : language);

/** Writes a moment as short as it stays clear: the clock today, the day otherwise. */
export function when(seconds: number, now: number, language = 'en'): string {
  const [at, today] = [there(seconds), there(now)];
  if (moment(seconds).slice(0, 10) === moment(now).slice(0, 10)) return clock(seconds);
  const year = at.getUTCFullYear() === today.getUTCFullYear() ? undefined : 'numeric';
  return at.toLocaleDateString(locale(language), { timeZone: 'UTC', day: 'numeric', month: 'short', year });
}

/** Name of the zone in which `clock` writes: `UTC`, `CET`. */
export function zone(now: number): string {
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short', timeZone: zoneName() }).formatToParts(new Date(now * 1000));
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';
}

/** Makes control characters of a host's text visible, so that they can neither hide nor move anything. */
export function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069]/g, (sign) => {
    const point = sign.codePointAt(0) ?? 0;
    if (point < 0x20) return String.fromCodePoint(0x2400 + point);
    return `\\u${point.toString(16).padStart(4, '0')}`;
  });
}

/** What a language says in place of the server: its sentences, units of time, and refusals by the end of their `type`. */
export interface Speech {
  said: (text: string) => string;
  times: TimeWords;
  /** Kinds of refusals with one reason. */
  refusals: Readonly<Record<string, string>>;
  /** What stands before the reason of other kinds where no sentence knows it. */
  titles: Readonly<Record<string, string>>;
}

/** What another language than that of the server makes of its sentences; what is none of these stays as it came. */
let inWords: (text: string) => string = (text) => text;
let refusals: Speech['refusals'] = {};
let titles: Speech['titles'] = {};
export const speakWith = (speech: Speech): void => {
  inWords = speech.said;
  TIME_WORDS = speech.times;
  ({ refusals, titles } = speech);
};

/** Why the server refused something, as the reader reads it: by its kind, else by the sentence. */
export function refusal(type: string, detail: string): string {
  const kind = type.slice(type.lastIndexOf('/') + 1);
  const own = refusals[kind];
  if (own !== undefined) return own;
  const said = inWords(detail);
  const title = said === detail ? titles[kind] : undefined;
  return visible(title === undefined ? said : `${title}: ${detail}`);
}

/** Writes a range such as `24h` with its unit apart: `24 h`. */
export const span = (range: string): string => range.replace(/(\d+)([a-z]+)/, (_, n: string, unit: keyof TimeWords) => `${n}${HARD}${TIME_WORDS[unit] ?? unit}`);

/** A sentence of the server as the reader reads it. */
export const told = (text: string): string => visible(inWords(text));

/** Says the name of a check that watches a series in words: `disk_monitor./var.percent` is `disk /var`, with `~full_in` `disk /var full in`. */
export function checkLabel(name: string): string {
  const derived = /^(.+)~(growth|full_in|deviation|absent_after)$/.exec(name);
  if (derived) return `${checkLabel(derived[1] ?? '')} ${(derived[2] ?? '').replaceAll('_', ' ')}`;
  const first = name.indexOf('.');
  const collector = first < 0 ? '' : name.slice(0, first);
  if (!collector.endsWith('_monitor')) return name;
  const last = name.lastIndexOf('.');
  const base = collector.slice(0, -'_monitor'.length);
  const instance = last > first ? name.slice(first + 1, last) : '';
  const metric = name.slice(last + 1).replaceAll('_', ' ').replace(/(\d)min\b/, '$1 min');
  const own = metric === 'percent' || metric === `${base} percent` ? '' : metric;
  const head = own !== '' && instance === '' ? '' : base;
  return [head, instance, own].filter((part) => part !== '').join(' ');
}

/**
 * Says what a check found. A check of a series has only its value to say: then the name and the limit are put round it,
 * `Memory 91.4 %, limit 90 %`; every other text is the check's own. `check` is empty where the text names it: `name = value`.
 */
export function say(text: string, check = '', limit: number | null = null, word = 'limit'): string {
  const split = /^(.+?) = (.+)$/s.exec(text);
  const name = check !== '' ? check : (split?.[1] ?? '');
  const found = split && (check === '' || split[1] === check) ? (split[2] ?? '') : text;
  if (name.includes('_monitor.') && /^-?\d+(?:\.\d+)?$/.test(found)) {
    const unit = /percent$/.test(name) ? 'percent' : '';
    const label = checkLabel(name);
    const value = `${label.charAt(0).toUpperCase()}${label.slice(1)} ${quantity(Number(found), unit)}`;
    return limit === null ? value : `${value}, ${word} ${precise(limit)}${unit === '' ? '' : `${HARD}%`}`;
  }
  // `93.6 % > 80.0 %` says of nothing what it is.
  if (name.includes('_monitor.') && /^-?\d[^<>]*[<>]/.test(found)) {
    const label = checkLabel(name);
    return visible(`${label.charAt(0).toUpperCase()}${label.slice(1)} ${inWords(found)}`);
  }
  if (split && check === '' && !found.startsWith(name)) return visible(`${checkLabel(name)}: ${inWords(found)}`);
  return told(found);
}

/** Initials for the round sign of a person: `Mira Kvale` gives `MK`. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = words[0]?.[0] ?? '?';
  const last = words.length > 1 ? (words.at(-1)?.[0] ?? '') : (words[0]?.[1] ?? '');
  return (first + last).toUpperCase();
}

/** Seconds until the next time the clock shows `hour`:00. */
export function untilHour(hour: number, now: number): number {
  let left = typed(`${field(now).slice(0, 10)}T${two(hour)}:00`) - now;
  if (left <= 0) left += DAY;
  return Math.round(left);
}
