// A chart as uPlot wants it: lines in their colours, bands, limits, incidents; what a drag and a click do.
import type uPlot from 'uplot';
import { axis, type Marks, marks } from './chart.ts';
import { clock, precise } from './format.ts';
import type { Line } from './layers.ts';
import { lonely } from './series.ts';
import { shifted, there } from './zone.ts';

/** Fewer pixels are a click, not a selection. */
const CLICK = 4;
/** The shortest time that can be zoomed to, in seconds. */
const SHORTEST = 10;

/** How a line looks. */
export interface Look {
  /** Number of its colour. */
  colour: number;
  dashed: boolean;
}

/** The looks of lines, by their place: lines differ by dash as well as colour from the third on. What was before is grey. */
export function looks(lines: readonly Line[]): Look[] {
  const own = lines.filter((line) => line.tone !== 'before').length;
  const pair = own === 2 && (lines[0]?.label === 'in' || lines[0]?.label === 'read');
  return lines.map((line, index) => {
    if (line.tone === 'before') return { colour: 5, dashed: true };
    if (pair) return { colour: index + 2, dashed: false };
    // Hosts beside each other need colours that are far apart; the second line of one host is quiet.
    const colour = line.tone === 'other' || lines[1]?.tone === 'other' ? ([1, 2, 3, 4, 5][index] ?? 5) : ([1, 5, 4, 2, 3][index] ?? 5);
    return { colour, dashed: index >= 2 || (own === 2 && colour === 5) };
  });
}

export interface Drawing {
  width: number;
  height: number;
  sync: string;
  lines: readonly Line[];
  /** How many of the lines have a band. */
  bands: number;
  /** Whether the first line has an area. */
  filled: boolean;
  data: uPlot.AlignedData;
  /** Asked for again at each drawing: what they say moves on. */
  span: () => { min: number; max: number };
  bounds: () => [number, number];
  mark: () => Marks;
  limitWord: string;
  locale: string;
  oncursor: (at: number | null) => void;
  onzoom: ((from: number, to: number) => void) | undefined;
  onreset: (() => void) | undefined;
  onmoment: ((at: number) => void) | undefined;
}

const when = (value: number, incr: number, locale: string): string =>
  incr >= 86_400 ? there(value).toLocaleDateString(locale, { timeZone: 'UTC', day: 'numeric', month: 'short' }) : clock(value, incr < 60);

/** Draws it into `host`. */
export function plot(Plot: typeof uPlot, host: HTMLElement, of: Drawing): uPlot {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const shown = looks(of.lines);
  const lines: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const [index, look] of shown.entries()) {
    const colour = token(`--series-${look.colour}`);
    lines.push({
      stroke: colour,
      width: of.lines[index]?.tone === 'before' ? 1 : 1.4,
      ...(look.dashed ? { dash: [4, 3] } : {}),
      ...(of.filled && index === 0 ? { fill: `${colour}1a`, fillTo: 0 } : {}),
      // A value between two gaps has no line: without its point it would not be seen.
      points: { show: false, size: 3, width: 0, fill: colour, filter: (plot, at) => lonely((plot.data[at] ?? []) as (number | null)[]) },
      spanGaps: false,
    });
  }
  for (let index = 0; index < of.bands; index += 1) {
    const at = 1 + shown.length + index * 2;
    for (let part = 0; part < 2; part += 1) lines.push({ stroke: 'transparent', width: 0, points: { show: false }, spanGaps: false });
    bands.push({ series: [at, at + 1], fill: `${token(`--series-${shown[index]?.colour ?? 5}`)}26` });
  }
  return new Plot(
    {
      width: of.width,
      height: of.height,
      padding: [6, 2, 0, 0],
      legend: { show: false },
      tzDate: shifted,
      cursor: {
        y: false,
        drag: { x: of.onzoom !== undefined, y: false, setScale: false },
        points: { size: 6, width: 2, fill: token('--surface') },
        sync: { key: of.sync, setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
        bind: {
          dblclick: () => () => {
            of.onreset?.();
            return null;
          },
        },
      },
      series: lines,
      bands,
      scales: {
        x: { time: true, range: () => [of.span().min, of.span().max] },
        y: { range: () => of.bounds() },
      },
      axes: [
        { ...axis(token), values: (_, splits, __, ___, incr) => splits.map((value) => ((value - of.span().min) / (of.span().max - of.span().min) > 0.95 ? '' : when(value, incr, of.locale))), size: 24, gap: 4, space: 84, grid: { show: false } },
        { ...axis(token), size: 38, gap: 6, space: 36, values: (_, splits) => splits.map((value) => precise(Number(value.toPrecision(4)))) },
      ],
      hooks: {
        drawAxes: [(plot) => marks(plot, of.mark(), token, 'under')],
        draw: [(plot) => marks(plot, of.mark(), token, 'over', of.limitWord)],
        setCursor: [
          (plot) => {
            const found = plot.cursor.idx;
            of.oncursor(found === null || found === undefined || (plot.cursor.left ?? -1) < 0 ? null : found);
          },
        ],
        setSelect: [
          (plot) => {
            if (plot.select.width > CLICK) {
              const from = plot.posToVal(plot.select.left, 'x');
              const to = plot.posToVal(plot.select.left + plot.select.width, 'x');
              if (to - from >= SHORTEST) of.onzoom?.(Math.floor(from), Math.ceil(to));
            }
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        ready: [
          (plot) => {
            // A press that moved was a drag: only one that stayed asks for the moment.
            let pressed: number | null = null;
            plot.over.addEventListener('pointerdown', (event) => (pressed = event.button === 0 ? event.clientX : null));
            plot.over.addEventListener('click', (event) => {
              if (pressed === null || Math.abs(event.clientX - pressed) > CLICK) return;
              of.onmoment?.(Math.round(plot.posToVal(event.offsetX, 'x')));
            });
          },
        ],
      },
    },
    of.data,
    host,
  );
}
