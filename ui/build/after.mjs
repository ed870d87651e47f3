// Runs after `vite build`: writes a brotli and a gzip form beside each file of dist, and holds the bytes to the budget.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

/**
 * Bytes of the first load after gzip: scripts that index.html names (100 kB at most are promised), its styles, and everything. The application is every page in
 * every language, which nobody loads at once: its bound is there to notice a library that came along unseen. It was 260 kB before the view of the checks had its
 * drawer (4 kB) and German its table of the server's sentences (6 kB), and 280 kB before that table had what agents report and why something is refused (6 kB), and 282 kB before the view of the metrics and what is done to many (10 kB).
 */
const BUDGET = { script: 72_000, style: 12_000, font: 32 * 1024, whole: 120_000, application: 300_000 };

/** Files that are compressed already. */
const COMPRESSED = /\.(woff2|png)$/;

async function files(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await files(path)));
    else if (!/\.(br|gz)$/.test(entry.name)) found.push(path);
  }
  return found.sort();
}

const sizes = new Map();
for (const path of await files(DIST)) {
  const bytes = await readFile(path);
  const name = path.slice(DIST.length);
  if (COMPRESSED.test(path)) {
    sizes.set(name, bytes.length);
    continue;
  }
  const gz = gzipSync(bytes, { level: 9 });
  const br = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  await writeFile(`${path}.gz`, gz);
  await writeFile(`${path}.br`, br);
  sizes.set(name, gz.length);
}

const html = await readFile(join(DIST, 'index.html'), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
// The overview is what a first load shows: its chunk, and what that imports, count as well.
const seen = new Set(first);
for (const name of seen) {
  if (!name.endsWith('.js')) continue;
  const text = await readFile(join(DIST, name), 'utf8');
  for (const match of text.matchAll(/from\s*["']\.\/([^"']+\.js)["']/g)) seen.add(`assets/${match[1]}`);
  if (name.includes('/index-')) {
    for (const match of text.matchAll(/assets\/Overview-[\w-]+\.(?:js|css)/g)) seen.add(match[0]);
  }
}

const sum = (test, names = seen) => [...names].filter((name) => test.test(name)).reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
const measured = {
  script: sum(/\.js$/),
  style: sum(/\.css$/),
  font: sum(/\.woff2$/, sizes.keys()),
  whole: sum(/./) + (await stat(join(DIST, 'index.html.gz'))).size,
  application: sum(/\.js$/, sizes.keys()),
};
let over = false;
for (const [name, most] of Object.entries(BUDGET)) {
  const bad = measured[name] > most;
  over ||= bad;
  console.log(`${bad ? 'OVER ' : ''}${name}: ${(measured[name] / 1000).toFixed(1)} kB of ${(most / 1000).toFixed(0)} kB`);
}
if (over) process.exitCode = 1;
