// Makes gen/inter.woff2: the part of Inter that the page uses.
//
// Input is the variable font of the npm package `inter-ui` (pinned by the lock file); output depends on nothing else,
// so that two builds give the same bytes. Other scripts than Latin fall back to the system's font.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const subset = require('subset-font');

/** Biggest file that the budget allows. */
const MOST_BYTES = 32 * 1024;

/** Code point ranges kept: Basic Latin, Latin-1 and Latin Extended-A. */
const RANGES = [
  [0x20, 0x7e],
  [0xa0, 0x17f],
];

/** Signs beside letters: dashes, quotes, the narrow spaces of numbers, arrows of key names, units. */
const SIGNS = '–—‘’“”„…•·×−→←↑↓↵≤≥€™µΔ\u2009\u202f';

/** Kerning and marks, which text needs anyway, and the four features that the styles switch on. */
const FEATURES = ['calt', 'tnum', 'ss02', 'case', 'kern', 'ccmp', 'locl', 'mark', 'mkmk'];

let text = SIGNS;
for (const [from, to] of RANGES) {
  for (let point = from; point <= to; point += 1) text += String.fromCodePoint(point);
}

const source = await readFile(require.resolve('inter-ui/variable/InterVariable.woff2'));
const made = await subset(source, text, {
  targetFormat: 'woff2',
  keepFeatures: FEATURES,
  variationAxes: { wght: { min: 400, max: 650 }, opsz: 14 },
});
if (made.length > MOST_BYTES) {
  throw new Error(`the font is ${made.length} bytes, the budget is ${MOST_BYTES}`);
}
const folder = new URL('../gen/', import.meta.url);
await mkdir(folder, { recursive: true });
await writeFile(new URL('inter.woff2', folder), made);
console.log(`gen/inter.woff2: ${made.length} bytes`);
