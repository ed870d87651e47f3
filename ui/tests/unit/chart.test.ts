import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Derived } from '../../src/lib/api-types.ts';
import { type Marks, marks } from '../../src/lib/chart.ts';

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
