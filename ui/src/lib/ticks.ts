// Round times on an axis.
import { clock, locale } from './format.ts';
import { aheadAt, there } from './zone.ts';

const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000];

/** At most `most` round moments between two times, in the zone and language of the reader. */
export function ticks(from: number, to: number, most: number, language = 'en'): { at: number; text: string }[] {
  const step = STEPS.find((size) => (to - from) / size <= most) ?? 31_536_000;
  const shift = -aheadAt(from);
  const out: { at: number; text: string }[] = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const text = step >= 86_400 ? there(at).toLocaleDateString(locale(language), { timeZone: 'UTC', day: 'numeric', month: 'short' }) : clock(at);
    // Names at the very edges would be cut.
    if ((at - from) / (to - from) > 0.02 && (at - from) / (to - from) < 0.98) out.push({ at, text });
  }
  return out;
}
