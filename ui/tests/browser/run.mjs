// Browser tests. Without HARK_URL they run against the stand-in server; with it against a real one:
//
//   HARK_URL=http://127.0.0.1:50004 HARK_USER=mira HARK_PASSWORD=… [HARK_CODE=…] npm run journeys -- journey keyboard
//
// HARK_WAIT is how many seconds an open incident may take to appear (60). HARK_SHOTS=<folder> keeps pictures.
// HARK_PICTURES=write stores those anew that `pictures` compares with.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { actions } from './actions.mjs';
import { launch } from './browser.mjs';
import { browsers } from './browsers.mjs';
import { charts, moments } from './charts.mjs';
import { checks } from './checks.mjs';
import { configuration } from './configuration.mjs';
import { boards, dashboards } from './dashboards.mjs';
import { entrance } from './entrance.mjs';
import { everyone } from './everyone.mjs';
import { factors } from './factors.mjs';
import { german } from './german.mjs';
import { ended } from './incidents.mjs';
import { journey, phone } from './journey.mjs';
import { drawer } from './drawer.mjs';
import { dropping, hidden } from './hosts.mjs';
import { keyboard } from './keys.mjs';
import { limits } from './limits.mjs';
import { expiry, polling, reconnect } from './live.mjs';
import { axe, reflow, weight } from './looks.mjs';
import { many } from './many.mjs';
import { measured } from './metrics.mjs';
import { newcomers } from './newcomers.mjs';
import { people } from './people.mjs';
import { MOMENT, noticing, pictures } from './pictures.mjs';
import { granting } from './rights.mjs';
import { publishing } from './publishing.mjs';
import { telling } from './telling.mjs';
import { tokens } from './tokens.mjs';

const MOCK = fileURLToPath(new URL('../../dev/mock.mjs', import.meta.url));

/** The stand-in as a process of its own, on a port that the system chooses first and that it keeps. */
class Server {
  base = '';
  #port = 0;
  #process;
  #options;

  constructor(...options) {
    this.#options = options;
  }

  async start() {
    this.#process = spawn(process.execPath, [MOCK, '--port', String(this.#port), ...this.#options], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, MOCK_JOIN_MS: '500' } });
    const line = await new Promise((done, fail) => {
      this.#process.stdout.once('data', (data) => done(String(data)));
      this.#process.once('exit', () => fail(new Error('the stand-in server has ended')));
    });
    this.base = line.trim().replace(/\/$/, '');
    this.#port = Number(new URL(this.base).port);
  }

  async stop() {
    const gone = new Promise((done) => this.#process.once('exit', done));
    this.#process.kill('SIGKILL');
    await gone;
  }
}

const ALL = { journey, entrance, phone, keyboard, actions, checks, measured, charts, moments, dashboards, boards, telling, newcomers, ended, reflow, weight, axe, pictures, noticing, polling, expiry, reconnect };
/** These need a server that can be treated badly, or hosts and receivers that are as they expect. */
const OWN = new Set(['reconnect', 'actions', 'checks', 'moments', 'boards', 'telling', 'newcomers', 'ended', 'pictures', 'noticing']);

/** These need what the stand-in does not do. */
const REAL = { browsers, configuration, drawer, dropping, everyone, factors, german, granting, hidden, limits, many, people, publishing, tokens };

const wanted = process.argv.slice(2);
const url = process.env.HARK_URL?.replace(/\/$/, '');
const names = (wanted.length > 0 ? wanted : Object.keys(ALL)).filter((name) => !url || !OWN.has(name));
const browser = await launch();
let bad = 0;
try {
  for (const name of names) {
    const test = ALL[name] ?? REAL[name];
    if (!test) throw new Error(`there is no test called ${name}: ${Object.keys({ ...ALL, ...REAL }).join(' ')}`);
    if (REAL[name] && !url) throw new Error(`${name} needs a real server: HARK_URL`);
    const server = url ? null : new Server('--still', ...(name === 'journey' ? ['--setup'] : []), ...(['pictures', 'noticing'].includes(name) ? ['--at', String(MOMENT)] : []));
    await server?.start();
    const began = Date.now();
    let faults;
    try {
      faults = await test({
        browser,
        server,
        base: url ?? server.base,
        user: process.env.HARK_USER ?? 'mira',
        password: process.env.HARK_PASSWORD ?? 'correct horse battery',
        code: process.env.HARK_CODE ?? (url ? undefined : '7QK2-M9DX'),
        wait: Number(process.env.HARK_WAIT ?? 60),
      });
    } catch (error) {
      faults = [error instanceof Error ? `${error.message}\n${error.stack?.split('\n').find((line) => line.includes('tests/browser')) ?? ''}` : String(error)];
    }
    await server?.stop();
    console.log(`${faults.length === 0 ? 'ok  ' : 'BAD '} ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    for (const fault of faults) console.log(`     ${fault}`);
    if (faults.length > 0) bad += 1;
  }
} finally {
  await browser.close();
}
process.exitCode = bad === 0 ? 0 : 1;
