// Runs the unit tests with node's own runner. The sources are TypeScript without anything that has to be rewritten
// (`erasableSyntaxOnly`), so node would need no build at all; versions before 22.18 do not strip types by themselves,
// so the build tool that is here anyway does it: one pass of Vite over the pure modules, into a folder that is thrown away.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const folder = await mkdtemp(join(ROOT, 'node_modules', '.units-'));
try {
  const tests = (await readdir(join(ROOT, 'tests/unit'))).filter((name) => name.endsWith('.test.ts'));
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'warn',
    build: {
      ssr: true,
      outDir: folder,
      minify: false,
      rollupOptions: {
        input: Object.fromEntries(tests.map((name) => [name.replace(/\.ts$/, ''), join(ROOT, 'tests/unit', name)])),
        output: { entryFileNames: '[name].mjs' },
      },
    },
  });
  const files = tests.map((name) => join(folder, name.replace(/\.ts$/, '.mjs')));
  // A fixed zone: times on the page are in the zone of the reader.
  const ran = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit', env: { ...process.env, TZ: 'UTC' } });
  process.exitCode = ran.status ?? 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
