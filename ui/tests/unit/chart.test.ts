import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Derived, Limits } from '../../src/lib/api-types.ts';
import { bounds, type Marks, marks } from '../../src/lib/chart.ts';

/** Draws what is derived on a canvas that only notes where lines begin and end, a pixel for a second. */
function drawn(derived: Partial<Derived>, part: 'under' | 'over'): string[] {
  const noted: string[] = [];
  const note = (what: string) => (x: number, y: number): void => void noted.push(`${what} ${x} ${y}`);
  const nothing = (): void => undefined;
  const ctx = { save: nothing, restore: nothing, beginPath: nothing, closePath: nothing, rect: nothing, clip: nothing, stroke: nothing, fill: nothing, setLineDash: nothing, arc: nothing, moveTo: note('from'), lineTo: note('to') };
  const plot = { ctx, bbox: { left: 0, top: 0, width: 100, height: 40 }, valToPos: (value: number) => value };
  const whole: Derived = { series: 'a.b', text: '', line: [], reached_at_unix_s: null, band: [], missing_from_unix_s: null, ...derived };
  const what: Marks = { incidents: [], limits: null, derived: whole, by: 1, to: 90 };
  (globalThis as { devicePixelRatio?: number }).devicePixelRatio = 1;
  marks(plot as unknown as Parameters<typeof marks>[0], what, () => '#000000', part);
  return noted;
}

test('a series that stays out is marked at its last value, and from there on', () => {
  assert.deepEqual(drawn({ missing_from_unix_s: 30 }, 'over'), ['from 30.5 0', 'to 30.5 40', 'from 30.5 20.5', 'to 90 20.5']);
  assert.deepEqual(drawn({ missing_from_unix_s: 30 }, 'under'), []);
  assert.deepEqual(drawn({}, 'over'), [], 'a series that comes has no mark');
});

test('what is usual is a band under the lines', () => {
  const band = [{ at_unix_s: 10, low: 1, high: 3 }, { at_unix_s: 20, low: 2, high: 4 }];
  assert.deepEqual(drawn({ band }, 'under'), ['to 10 3', 'to 20 4', 'to 20 2', 'to 10 1']);
});

const columns = (low: number, high: number) => ({ at: [0, 1], avg: [[low, high]], min: [[low, low]], max: [[high, high]] }) as unknown as Parameters<typeof bounds>[0];
const limits = (warning: number | null, critical: number | null): Limits => ({ warning, critical });

test('both limits have their place where the values are near', () => {
  assert.deepEqual(bounds(columns(10, 20), 'percent', limits(80, 90), 1), [0, 100]);
  assert.deepEqual(bounds(columns(72, 75), 'percent', limits(80, 90), 1), [60, 100], 'near the lower one');
  assert.deepEqual(bounds(columns(95, 96), 'percent', limits(80, 90), 1), [70, 100], 'above both: both are seen');
  assert.deepEqual(bounds(columns(95, 96), 'percent', limits(null, 90), 1), [80, 100]);
  assert.deepEqual(bounds(columns(95, 96), 'percent', null, 1), [0, 100]);
  const close = (found: [number, number], wanted: [number, number]): void => found.forEach((value, n) => assert.ok(Math.abs(value - (wanted[n] ?? 0)) < 1e-9, `${found}`));
  close(bounds(columns(1, 10), 'seconds', limits(12, 15), 1), [0, 16.5]);
  close(bounds(columns(1, 10), 'seconds', limits(12, 50), 1), [0, 13.2]);
});

test('values below 0 have room above and below them, and so has a limit among them', () => {
  const shown = (low: number, high: number, of: Limits | null = null, by = 1): number[] => bounds(columns(low, high), 'celsius', of, by).map((value) => Math.round(value * 1000) / 1000);
  assert.deepEqual(shown(-5, -2), [-5.3, -1.7]);
  assert.deepEqual(shown(-20, -18, limits(-15, -10)), [-21, -9]);
  assert.deepEqual(shown(-20, -18, limits(30, null)), [-20.2, -17.8], 'one far above is not what this is about');
  assert.deepEqual(shown(-5, 5), [-6, 6]);
  assert.deepEqual(shown(-5000, -2000, null, 1000), [-5.3, -1.7]);
  assert.deepEqual([shown(-5, -5), shown(-5, 0), shown(0, 0), shown(5, 5)], [[-5.5, -4.5], [-5.5, 0.5], [0, 1], [0, 5.5]], 'a flat line as well');
});

/** What is drawn over a chart of limits alone: lines by their height, words with theirs. */
function lined(of: Limits): string[] {
  const noted: string[] = [];
  const nothing = (): void => undefined;
  const ctx = { save: nothing, restore: nothing, beginPath: nothing, rect: nothing, clip: nothing, stroke: nothing, setLineDash: nothing, lineTo: nothing, textBaseline: '', moveTo: (_: number, y: number): void => void noted.push(`line ${y}`), fillText: (text: string): void => void noted.push(`${text} ${ctx.textBaseline}`) };
  const plot = { ctx, bbox: { left: 0, top: 0, width: 100, height: 100 }, valToPos: (value: number) => 100 - value };
  (globalThis as { devicePixelRatio?: number }).devicePixelRatio = 1;
  marks(plot as unknown as Parameters<typeof marks>[0], { incidents: [], limits: of, derived: null, by: 1, to: 90 }, () => '#000000', 'over', 'limit');
  return noted;
}

test('the line of a warning is drawn beside that of critical', () => {
  assert.deepEqual(lined(limits(40, 70)), ['line 30.5', 'limit 70 bottom', 'line 60.5', 'limit 40 bottom']);
  assert.deepEqual(lined(limits(60, 70)), ['line 30.5', 'limit 70 bottom', 'line 40.5', 'limit 60 top'], 'their words lie not over each other');
  assert.deepEqual(lined(limits(30, 20)), ['line 80.5', 'limit 20 top', 'line 70.5', 'limit 30 bottom'], 'low is bad');
  assert.deepEqual(lined(limits(50, 50)), ['line 50.5', 'limit 50 bottom']);
  assert.deepEqual(lined(limits(50, null)), ['line 50.5', 'limit 50 bottom']);
});
