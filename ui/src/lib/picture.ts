// A chart as a picture: what is on the screen, with its title, its legend and its time, in the colours of the theme.
import type { Look } from './plot.ts';

export interface Caption {
  title: string;
  /** Host and time. */
  under: string;
  legend: { label: string; value: string; look: Look }[];
  unit: string;
}

const FONT = "'Inter hark', system-ui, sans-serif";
/** Height of the head above the plot, in CSS pixels. */
const HEAD = 46;
const SIDE = 14;

/** Draws the picture; null where the browser cannot. */
export async function picture(plot: HTMLCanvasElement, caption: Caption): Promise<Blob | null> {
  const ratio = devicePixelRatio || 1;
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const canvas = document.createElement('canvas');
  canvas.width = plot.width + 2 * SIDE * ratio;
  canvas.height = plot.height + (HEAD + SIDE) * ratio;
  const pen = canvas.getContext('2d');
  if (!pen) return null;
  pen.fillStyle = token('--surface');
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(plot, SIDE * ratio, HEAD * ratio);
  pen.scale(ratio, ratio);
  pen.textBaseline = 'alphabetic';
  pen.fillStyle = token('--t1');
  pen.font = `600 14px ${FONT}`;
  pen.fillText(caption.title, SIDE, 22);
  const titled = SIDE + pen.measureText(caption.title).width + 12;
  pen.font = `12px ${FONT}`;
  pen.fillStyle = token('--t2');
  pen.fillText(caption.under, titled, 22);
  let x = SIDE;
  for (const entry of caption.legend) {
    pen.strokeStyle = token(`--series-${entry.look.colour}`);
    pen.lineWidth = 2;
    pen.setLineDash(entry.look.dashed ? [3, 1.5] : []);
    pen.beginPath();
    pen.moveTo(x, 36);
    pen.lineTo(x + 12, 36);
    pen.stroke();
    const text = `${entry.label} ${entry.value} ${caption.unit}`.trim();
    pen.fillText(text, x + 17, 40);
    x += 17 + pen.measureText(text).width + 16;
  }
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
}

/** A name for a file that no system stumbles over. */
export const fileName = (...parts: string[]): string => parts.map((part) => part.replace(/[^\w.-]+/g, '_')).filter((part) => part !== '').join('-');
