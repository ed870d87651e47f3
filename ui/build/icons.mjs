// Makes the icons of the installed page as PNG, which systems and notifications want: the same sign as favicon.svg, drawn by its
// distances, so that two builds give the same bytes and no picture has to be kept.
import { writeFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url);
const GREEN = [0x3a, 0x8f, 0x76];
const WHITE = [0xff, 0xff, 0xff];

/** Half the width of a line, on the grid of 32 of favicon.svg. */
const HALF = 1.6;

/** Distance to an arc around (x, 16) that ends as far above and below the middle as `half` says. */
function arc(px, py, x, radius, half) {
  const [dx, dy] = [px - x, py - 16];
  const end = Math.sqrt(radius * radius - half * half);
  const within = dx > 0 && Math.abs(dy) * end <= half * dx;
  return within ? Math.abs(Math.hypot(dx, dy) - radius) : Math.hypot(dx - end, Math.abs(dy) - half);
}

/** Distance to the sign; negative inside. */
function sign(x, y) {
  const dot = Math.hypot(x - 8, y - 16) - 4.4;
  const near = arc(x, y, 16.5 - Math.sqrt(9.6 ** 2 - 6.5 ** 2), 9.6, 6.5) - HALF;
  const far = arc(x, y, 22 - Math.sqrt(16 ** 2 - 11.2 ** 2), 16, 11.2) - HALF;
  return Math.min(dot, near, far);
}

/** Draws the sign on `size` points; `margin` of the grid stay free around it. */
function draw(size, margin, ink, ground) {
  const scale = (32 + 2 * margin) / size;
  const rows = [];
  for (let row = 0; row < size; row += 1) {
    const line = Buffer.alloc(1 + size * 4);
    for (let column = 0; column < size; column += 1) {
      const [x, y] = [(column + 0.5) * scale - margin, (row + 0.5) * scale - margin];
      const cover = Math.min(1, Math.max(0, 0.5 - sign(x, y) / scale));
      const under = ground ?? ink;
      const colour = ink.map((value, at) => Math.round(value * cover + under[at] * (1 - cover)));
      line.set([...colour, ground ? 255 : Math.round(255 * cover)], 1 + column * 4);
    }
    rows.push(line);
  }
  return png(size, Buffer.concat(rows));
}

function png(size, pixels) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 6, 0, 0, 0], 8);
  const part = (name, data) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const start = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([start, part('IHDR', head), part('IDAT', deflateSync(pixels, { level: 9 })), part('IEND', Buffer.alloc(0))]);
}

const ICONS = {
  'icon-192.png': draw(192, 3, GREEN, null),
  'icon-512.png': draw(512, 3, GREEN, null),
  // Systems cut these to circles and squares: the sign stays within the middle four fifths.
  'icon-mask.png': draw(512, 12, WHITE, GREEN),
  'icon-apple.png': draw(180, 8, WHITE, GREEN),
  // Only its shape is shown, in the colour of the system.
  'icon-badge.png': draw(96, 2, WHITE, null),
};
for (const [name, bytes] of Object.entries(ICONS)) await writeFile(new URL(name, DIST), bytes);
