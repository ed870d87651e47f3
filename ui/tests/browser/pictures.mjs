// Pictures of pages beside stored ones: they show what no other test looks at, such as a style that is gone or a column that
// has moved.
//
// The stand-in has the same data at the same moment in each run, the page brings its own fonts, and nothing moves. What is
// stored has a quarter of the width: how another version of the browser draws a letter is not seen, that a line has moved is.
// HARK_PICTURES=write makes the stored ones anew; look at them before they are kept.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DESK, names, open, PHONE, settled, signIn, THEMES } from './browser.mjs';
import { paths } from './looks.mjs';

const FOLDER = fileURLToPath(new URL('../pictures/', import.meta.url));

/** The moment at which the stand-in stands still: 2026-11-20 14:22 UTC. */
export const MOMENT = 1_795_184_520;

const SCALE = 4;
/** A point is another one if one of its colours differs by more than this, of 255. */
const FAR = 32;
/** The share of other points that is not seen as a difference: twice the most that two runs of the same differed by; a small button is more than this. */
const MOST = 0.0004;

/** Makes a picture smaller; returns it as a PNG in base64. */
const smaller = (blank, picture) =>
  blank.evaluate(
    async ([data, scale]) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
      const canvas = Object.assign(document.createElement('canvas'), { width: Math.round(image.width / scale), height: Math.round(image.height / scale) });
      const context = canvas.getContext('2d');
      context.imageSmoothingQuality = 'high';
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL('image/png').split(',')[1];
    },
    [picture.toString('base64'), SCALE],
  );

/** Returns the share of points in which two pictures differ; all of them if one is larger. */
const difference = (blank, one, other) =>
  blank.evaluate(
    async ([all, far]) => {
      const [a, b] = await Promise.all(
        all.map(async (data) => {
          const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
          const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          return context.getImageData(0, 0, image.width, image.height);
        }),
      );
      if (a.width !== b.width || a.height !== b.height) return 1;
      let differs = 0;
      for (let i = 0; i < a.data.length; i += 4) {
        if ([0, 1, 2].some((colour) => Math.abs(a.data[i + colour] - b.data[i + colour]) > far)) differs += 1;
      }
      return (differs * 4) / a.data.length;
    },
    [[one, other], FAR],
  );

/** Returns what looks at a page and says in `found` where it is not as its stored picture in `folder`; with `write` it stores it. */
async function looker(browser, found, { folder = FOLDER, write = false } = {}) {
  const shots = process.env.HARK_SHOTS;
  for (const one of [folder, shots].filter(Boolean)) await mkdir(one, { recursive: true });
  const blank = await browser.newPage();
  const look = async (page, name) => {
    const picture = await page.screenshot({ animations: 'disabled', caret: 'hide' });
    if (shots) await writeFile(join(shots, `${name}.png`), picture);
    const taken = await smaller(blank, picture);
    const path = join(folder, `${name}.png`);
    if (write) return writeFile(path, taken, 'base64');
    if (!existsSync(path)) return found.push(`${name}: there is no stored picture`);
    const share = await difference(blank, (await readFile(path)).toString('base64'), taken);
    if (process.env.HARK_SHARES) console.log(name, share);
    if (share > MOST) found.push(`${name}: ${(share * 100).toFixed(2)} % of it look otherwise than ${path}`);
  };
  return { look, close: () => blank.close() };
}

/** Opens a page that stands still: the moment is fixed, and the entry of the dashboards, which comes some time after the rest, does not come. */
async function openStill(browser, options) {
  const opened = await open(browser, { timezone: 'Etc/UTC', ...options });
  await opened.context.route('**/api/0/dashboards?limit=1', (route) => route.fulfill({ json: { items: [], next: null } }));
  await opened.page.clock.setFixedTime(MOMENT * 1000);
  return opened;
}

/** What may happen to a page unseen by every other test, each alone. */
const ALTERED = {
  'a column is gone': () => {
    for (const cell of document.querySelectorAll('main tr > :nth-child(4)')) cell.remove();
  },
  'a button is gone': () => document.querySelector('main .tools-row .btn, main .actions .btn')?.remove(),
  'the list has moved by half a row': () => document.querySelector('main .card')?.style.setProperty('margin-top', '18px'),
  'states have lost their colours': () => document.documentElement.style.setProperty('filter', 'grayscale(1)'),
  'the style sheet is gone': () => document.querySelectorAll('link[rel=stylesheet]').forEach((one) => one.remove()),
  'the other theme holds': () => document.documentElement.setAttribute('data-theme', 'dark'),
  'a line says something else': () => {
    const line = document.querySelector('main tbody td');
    if (line) line.textContent = 'This is another line, which was not there before.';
  },
};

/** Shows that `pictures` sees changes: a page that is altered is found, one that is not is not, and a picture that is missing or another one is. */
export async function noticing({ browser, base, user, password }) {
  const folder = await mkdtemp(join(tmpdir(), 'hark-pictures-'));
  const { context, page } = await openStill(browser, { base });
  try {
    await signIn(page, { base, user, password });
    const show = async (path = '/checks') => {
      await page.goto(base + path);
      await settled(page);
      await page.waitForTimeout(250);
    };
    const found = [];
    const store = await looker(browser, found, { folder, write: true });
    await show();
    await store.look(page, 'checks');
    await store.close();
    const { look, close } = await looker(browser, found, { folder });
    await show();
    await look(page, 'checks');
    if (found.length > 0) return [`the same page is called another one: ${found.join()}`];
    const unseen = [];
    for (const [what, alter] of Object.entries(ALTERED)) {
      await show();
      await page.evaluate(alter);
      await look(page, 'checks');
      if (found.length === 0) unseen.push(`not noticed: ${what}`);
      found.length = 0;
    }
    // The stored picture is that of another page, or there is none.
    await show('/hosts');
    await look(page, 'checks');
    await look(page, 'no-such-picture');
    if (found.length !== 2 || !found[1].includes('no stored picture')) unseen.push(`another picture, or none, is not noticed: ${found.join()}`);
    await close();
    return unseen;
  } finally {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function pictures({ browser, base, user, password }) {
  const found = [];
  const { look, close } = await looker(browser, found, { write: process.env.HARK_PICTURES === 'write' });
  for (const theme of THEMES) {
    // What is dark differs by colours alone.
    for (const viewport of theme === 'dark' ? [DESK] : [DESK, PHONE]) {
      const { context, page } = await openStill(browser, { base, theme, viewport, touch: viewport === PHONE });
      await page.goto(base);
      await page.waitForSelector('#login-name');
      await look(page, `login-${theme}-${viewport.width}`);
      await signIn(page, { base, user, password });
      await settled(page);
      for (const [name, path] of paths(await names(page))) {
        await page.goto(base + path);
        await settled(page);
        if (name.startsWith('host-') || name === 'host') await page.waitForTimeout(500);
        await page.waitForTimeout(250);
        await look(page, `${name}-${theme}-${viewport.width}`);
      }
      await context.close();
    }
  }
  await close();
  return found;
}
