// The time zone in which the page writes and reads times: that of the browser, or the one that its reader has chosen.

const KEPT = 'hark.zone';
/** The offset of a zone changes at a quarter of an hour at the earliest. */
const QUARTER_S = 900;

let chosen = '';
let clockThere: Intl.DateTimeFormat | null = null;
let quarter = Number.NaN;
let offset = 0;

/** Chooses a zone by its name. Nothing, and what the browser does not know, is the browser's own. */
export function choose(name: string): void {
  chosen = '';
  clockThere = null;
  quarter = Number.NaN;
  if (name === '') return;
  try {
    clockThere = new Intl.DateTimeFormat('en', { timeZone: name, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' });
    chosen = name;
  } catch {
    // A zone of a newer browser than this one.
  }
}

choose(globalThis.localStorage?.getItem(KEPT) ?? '');

/** Keeps a choice for this browser. */
export function keep(name: string): void {
  if (name === '') localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, name);
}

/** The zone that was chosen; nothing if it is the browser's. */
export const chosenZone = (): string => chosen;

/** The browser's own zone. */
export const browserZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone in use. */
export const zoneName = (): string => chosen || browserZone();

/** Seconds that the zone is ahead of UTC at a moment. */
export function aheadAt(seconds: number): number {
  if (clockThere === null) return -new Date(seconds * 1000).getTimezoneOffset() * 60;
  const wanted = Math.floor(seconds / QUARTER_S);
  if (wanted !== quarter && Number.isFinite(wanted)) {
    const of = Object.fromEntries(clockThere.formatToParts(wanted * QUARTER_S * 1000).map((part) => [part.type, Number(part.value)]));
    offset = Date.UTC(of['year'] ?? 0, (of['month'] ?? 1) - 1, of['day'], of['hour'], of['minute'], of['second']) / 1000 - wanted * QUARTER_S;
    quarter = wanted;
  }
  return offset;
}

/** A date whose parts in UTC are those of the clock there. */
export const there = (seconds: number): Date => new Date((seconds + aheadAt(seconds)) * 1000);

/** The same for what reads dates by the browser's clock: uPlot. */
export const shifted = (seconds: number): Date => new Date((seconds + aheadAt(seconds) + new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000);

/** The value of a field for date and time at a moment. */
export const field = (seconds: number): string => there(seconds).toISOString().slice(0, 16);

/** The moment that such a field names; not a number if it names none. */
export function typed(value: string): number {
  const wall = Date.parse(`${value}Z`) / 1000;
  // What the clock there shows is off by as much as the zone is ahead, at that moment and not at this.
  return wall - aheadAt(wall - aheadAt(wall));
}
