// Drawing around the lines of a chart: bounds of the axis, limit line, incident spans, axis style.
import type uPlot from 'uplot';
import type { Band, Derived, Limits } from './api-types.ts';
import type { Columns } from './series.ts';

/** Room that the words of a line need, in pixels. */
const WORDS = 16;

/** A percentage counts as close to its limit from this many points below it. */
const CLOSE = 20;

/** Lowest and highest value of the vertical axis, in shown units. It starts at 0, except percentages close to a limit. */
export function bounds(columns: Columns, unit: string, limits: Limits | null, by: number, derived: Derived | null = null): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const column of columns.min) for (const value of column) if (value !== null && value !== undefined && value < low) low = value;
  for (const column of columns.max) for (const value of column) if (value !== null && value !== undefined && value > high) high = value;
  // What is reckoned has its place, unless the values would be a flat line beside it.
  const span = Math.max(high - low, Math.abs(high) * 0.1);
  for (const value of [...(derived?.line ?? []).map((point) => point.value), ...(derived?.band ?? []).flatMap((point) => [point.low, point.high])]) {
    if (value < low && value > low - 3 * span) low = value;
    if (value > high && value < high + 3 * span) high = value;
  }
  if (!Number.isFinite(low)) return [0, unit === 'percent' ? 100 : 1];
  const drawn = levels(limits).map((level) => level.value);
  if (unit === 'percent') {
    // Limits that are about as low as the values are seen with them; those far below are not what this is about.
    const near = drawn.filter((limit) => low > limit - CLOSE);
    const least = Math.min(low, ...near.filter((limit) => limit > low - CLOSE));
    return [near.length > 0 && low > 40 ? Math.max(0, Math.floor((least - 4) / 10) * 10) : 0, Math.max(100, high)];
  }
  const top = Math.max(high, ...drawn.filter((limit) => limit < high + Math.abs(high)));
  const from = Math.min(low, 0);
  // Room around the values is a part of what they span, above and below: a part of a value would lie on the wrong side of one below 0.
  const room = (top - from || Math.abs(top)) / 10;
  return [(from < 0 ? from - room : 0) / by, room === 0 ? 1 : (top + room) / by];
}

/** The limits that are drawn, the worse one first: one of both if they are the same. */
function levels(limits: Limits | null): { name: 'crit' | 'warn'; value: number }[] {
  const found: { name: 'crit' | 'warn'; value: number }[] = [];
  if (limits?.critical != null) found.push({ name: 'crit', value: limits.critical });
  if (limits?.warning != null && limits.warning !== limits.critical) found.push({ name: 'warn', value: limits.warning });
  return found;
}

/** What stands on a chart besides its lines. */
export interface Marks {
  incidents: readonly Band[];
  limits: Limits | null;
  /** What is reckoned from the series: a line, and what is usual. */
  derived: Derived | null;
  /** Divisor of the shown unit. */
  by: number;
  /** End of the shown time, for incidents that are open. */
  to: number;
}

/** Axis in the tokens' colours. */
export const axis = (token: (name: string) => string): uPlot.Axis => ({
  stroke: token('--t3'),
  font: "11px 'Inter hark', system-ui, sans-serif",
  grid: { stroke: token('--grid'), width: 1 },
  ticks: { show: false },
  border: { show: false },
});

/** Draws the spans of incidents under the lines, or the limit over them. */
export function marks(plot: uPlot, what: Marks, token: (name: string) => string, part: 'under' | 'over', word = ''): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (part === 'under' && what.derived) usual(plot, what.derived, what.by, token);
  if (part === 'over' && what.derived) reckoned(plot, what.derived, what.by, token);
  if (part === 'over' && what.derived) missing(plot, what.derived, what.to, token);
  if (part === 'under') {
    // Spans that lie over each other are drawn once: two tints would look like something worse.
    let drawn = Number.NEGATIVE_INFINITY;
    for (const band of [...what.incidents].sort((a, b) => a.from_unix_s - b.from_unix_s)) {
      const colour = token(`--${band.state === 'unk' ? 'unk' : band.state === 'warn' ? 'warn' : 'crit'}-fill`);
      const left = plot.valToPos(band.from_unix_s, 'x', true);
      const right = plot.valToPos(band.to_unix_s ?? what.to, 'x', true);
      if (right < bbox.left || left > bbox.left + bbox.width) continue;
      const from = Math.max(left, drawn);
      if (right > from) {
        ctx.fillStyle = `${colour}14`;
        ctx.fillRect(from, bbox.top, right - from, bbox.height);
        drawn = right;
      }
      ctx.fillStyle = `${colour}a0`;
      ctx.fillRect(Math.round(left), bbox.top, ratio, bbox.height);
    }
  } else {
    const shown = levels(what.limits)
      .map((level) => ({ ...level, y: Math.round(plot.valToPos(level.value / what.by, 'y', true)) + 0.5 }))
      .filter(({ y }) => y >= bbox.top && y <= bbox.top + bbox.height);
    const [one, other] = shown;
    // Of two lines that are close together the lower one has its words below it.
    const close = one && other && Math.abs(one.y - other.y) < WORDS * ratio ? (one.y > other.y ? one : other) : null;
    for (const level of shown) {
      const { name, value, y } = level;
      ctx.strokeStyle = token(`--${name}-fill`);
      ctx.fillStyle = token(`--${name}`);
      ctx.lineWidth = ratio;
      ctx.setLineDash([4 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.font = `${11 * ratio}px 'Inter hark', system-ui, sans-serif`;
      ctx.textAlign = 'left';
      // Below the line as well where there is no room above it.
      const above = level !== close && y - bbox.top > WORDS * ratio;
      ctx.textBaseline = above ? 'bottom' : 'top';
      ctx.fillText(`${word} ${value / what.by}`, bbox.left + 4 * ratio, y + (above ? -2 : 3) * ratio);
    }
  }
  ctx.restore();
}

/** Fills what is usual: within it nothing is told. */
function usual(plot: uPlot, derived: Derived, by: number, token: (name: string) => string): void {
  const { ctx } = plot;
  const x = (at: number): number => plot.valToPos(at, 'x', true);
  const y = (value: number): number => plot.valToPos(value / by, 'y', true);
  if (derived.band.length < 2) return;
  ctx.beginPath();
  for (const point of derived.band) ctx.lineTo(x(point.at_unix_s), y(point.high));
  for (const point of [...derived.band].reverse()) ctx.lineTo(x(point.at_unix_s), y(point.low));
  ctx.closePath();
  ctx.fillStyle = `${token('--ok-fill')}1f`;
  ctx.fill();
}

/** Draws the line that is reckoned, and a dot where it arrives. */
function reckoned(plot: uPlot, derived: Derived, by: number, token: (name: string) => string): void {
  const [first, last] = [derived.line[0], derived.line.at(-1)];
  if (!first || !last) return;
  const { ctx } = plot;
  const ratio = devicePixelRatio || 1;
  const x = (at: number): number => plot.valToPos(at, 'x', true);
  const y = (value: number): number => plot.valToPos(value / by, 'y', true);
  ctx.strokeStyle = token('--t1');
  ctx.fillStyle = token('--t1');
  ctx.lineWidth = 1.4 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(x(first.at_unix_s), y(first.value));
  ctx.lineTo(x(last.at_unix_s), y(last.value));
  ctx.stroke();
  if (derived.reached_at_unix_s === null) return;
  ctx.beginPath();
  ctx.arc(x(last.at_unix_s), y(last.value), 3 * ratio, 0, 2 * Math.PI);
  ctx.fill();
}

/** Draws where a series that must come has ended, and for how long it has stayed out. */
function missing(plot: uPlot, derived: Derived, to: number, token: (name: string) => string): void {
  if (derived.missing_from_unix_s === null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  const left = Math.round(plot.valToPos(derived.missing_from_unix_s, 'x', true)) + 0.5;
  const right = plot.valToPos(to, 'x', true);
  const middle = Math.round(bbox.top + bbox.height / 2) + 0.5;
  ctx.strokeStyle = token('--t1');
  ctx.lineWidth = 1.4 * ratio;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.moveTo(left, middle);
  ctx.lineTo(right, middle);
  ctx.stroke();
}
