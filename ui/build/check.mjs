// `npm run check`: types and compiler warnings (none allowed), the proof that the checker would see an error, and what no
// compiler looks for: markup that the page's policy would refuse, texts outside the messages, themes that differ.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const problems = [];

async function sources(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await sources(path)));
    else if (/\.(svelte|ts|css|html)$/.test(entry.name)) found.push(path);
  }
  return found;
}

function checker(config, show) {
  const ran = spawnSync(process.execPath, [join(ROOT, 'node_modules/svelte-check/bin/svelte-check'), '--workspace', ROOT, '--tsconfig', config, '--fail-on-warnings'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (show) process.stdout.write(ran.stdout + ran.stderr);
  return ran;
}

// 1. Types and warnings.
if (checker(join(ROOT, 'tsconfig.json'), true).status !== 0) problems.push('svelte-check has something to say');

// 2. A planted error of each kind has to be reported: a checker that passes silently looks the same as clean code.
const planted = await mkdtemp(join(SRC, 'planted-'));
try {
  await writeFile(join(planted, 'Planted.svelte'), '<script lang="ts">\n  const wrong: number = "text";\n</script>\n\n<img src="x.svg" />\n{wrong}\n');
  await writeFile(join(planted, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['.'] }));
  const ran = checker(join(planted, 'tsconfig.json'), false);
  if (ran.status === 0 || !/is not assignable to type 'number'/.test(ran.stdout)) problems.push('a planted type error was not reported');
  if (!/a11y_missing_attribute/.test(ran.stdout)) problems.push('a planted accessibility warning was not reported');
} finally {
  await rm(planted, { recursive: true, force: true });
}

// 3. What must not stand in the sources. Each rule is tried on a line that breaks it first.
const RULES = [
  { name: 'inline style attribute (use style:name={})', test: /\sstyle=["'{]/, files: /\.(svelte|html)$/, bad: '<p style="color: red">' },
  { name: '{@html}', test: /\{@html/, files: /\.svelte$/, bad: '{@html text}' },
  { name: 'innerHTML and its kind', test: /\.(innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\b|document\.write\(/, files: /\.(svelte|ts)$/, bad: 'node.innerHTML = x' },
  { name: 'eval', test: /\beval\(|new Function\(/, files: /\.(svelte|ts)$/, bad: 'eval(x)' },
  { name: 'inline handler or script', test: /\son\w+="|<script>[^<]/, files: /\.html$/, bad: '<a onclick="x">' },
  { name: 'address of another host', test: /(?:https?:)?\/\/(?!www\.w3\.org\/2000\/svg|svelte\.dev)[a-z0-9-]+\.[a-z]{2,}/i, files: /\.(svelte|ts|css|html)$/, bad: 'https://cdn.example.org/x.js', skip: /messages\/|^\s*(\/\/|\*|\/\*)/ },
  { name: 'data: address', test: /["'(]data:/, files: /\.(svelte|ts|css|html)$/, bad: 'url("data:image/png")' },
  { name: 'colour outside tokens.css', test: /#[0-9a-f]{6}\b|#[0-9a-f]{3}\b(?=[;,) ])|\brgba?\(/i, files: /(?<!tokens)\.(svelte|css)$/, bad: 'color: #ff0000;' },
  { name: 'planted word', test: /\b(TODO|FIXME|XXX)\b/, files: /./, bad: '// TODO later' },
];
for (const rule of RULES) if (!rule.test.test(rule.bad)) problems.push(`the rule “${rule.name}” does not find its own example`);
for (const path of [...(await sources(SRC)), join(ROOT, 'index.html')]) {
  const name = relative(ROOT, path);
  for (const [index, line] of (await readFile(path, 'utf8')).split('\n').entries()) {
    for (const rule of RULES) {
      if (rule.files.test(name) && rule.test.test(line) && !rule.skip?.test(line) && !rule.skip?.test(name)) problems.push(`${name}:${index + 1}: ${rule.name}: ${line.trim().slice(0, 100)}`);
    }
  }
}

// 4. The dark theme stands twice and both have to be the same; light has no name that dark lacks (shapes aside).
const tokens = await readFile(join(SRC, 'tokens.css'), 'utf8');
const block = (from) => Object.fromEntries([...tokens.slice(tokens.indexOf(from)).split('}')[0].matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((match) => [match[1], match[2]]));
const dark = block(":root[data-theme='dark']");
const system = block(":root:not([data-theme='light']");
if (Object.keys(dark).length < 40 || JSON.stringify(dark) !== JSON.stringify(system)) problems.push('tokens.css: the two dark blocks differ');
const print = block('@media print');
for (const [name, value] of Object.entries(block(':root {'))) {
  if (/^#|rgb/.test(value) && !(name in dark)) problems.push(`tokens.css: ${name} has no dark value`);
  if (/^#/.test(value) && !(name in print)) problems.push(`tokens.css: ${name} has no value for print`);
}

// 5. Messages that nothing uses are not kept.
const all = (await Promise.all((await sources(SRC)).filter((path) => !path.includes('/messages/')).map((path) => readFile(path, 'utf8')))).join('\n');
const texts = (await sources(join(SRC, 'messages'))).filter((path) => /messages\/en(\.ts$|\/)/.test(path));
const starts = [...all.matchAll(/`([a-z]+(?:\.[a-z-]+)*\.)\$\{/g)].map((match) => match[1]);
for (const path of texts) {
  for (const [, key] of (await readFile(path, 'utf8')).matchAll(/^ {2}'?([\w.-]+)'?: /gm)) {
    if (!all.includes(`'${key}'`) && !starts.some((start) => key.startsWith(start))) problems.push(`${relative(ROOT, path)}: nothing uses ${key}`);
  }
}

for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'check: nothing found' : `check: ${problems.length} found`);
process.exitCode = problems.length === 0 ? 0 : 1;
