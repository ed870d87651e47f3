// Pictures of pages beside stored ones: they show what no other test looks at, such as a style that is gone or a column that
// has moved.
//
// The stand-in has the same data at the same moment in each run, the page brings its own fonts, and nothing moves. What is
// stored has a quarter of the width: how another version of the browser draws a letter is not seen, that a line has moved is.
// HARK_PICTURES=write makes the stored ones anew; look at them before they are kept.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DESK, names, open, PHONE, settled, signIn, THEMES } from './browser.mjs';
import { paths } from './looks.mjs';

const FOLDER = fileURLToPath(new URL('../pictures/', import.meta.url));

/** The moment at which the stand-in stands still: 2026-11-20 14:22 UTC. */
export const MOMENT = 1_795_184_520;

const SCALE = 4;
/** A point is another one if one of its colours differs by more than this, of 255. */
const FAR = 48;
/** The share of other points that is not seen as a difference. */
const MOST = 0.01;

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

export async function pictures({ browser, base, user, password }) {
  const found = [];
  const shots = process.env.HARK_SHOTS;
  const write = process.env.HARK_PICTURES === 'write';
  for (const folder of [FOLDER, shots].filter(Boolean)) await mkdir(folder, { recursive: true });
  const blank = await browser.newPage();
  const look = async (page, name) => {
    const picture = await page.screenshot({ animations: 'disabled', caret: 'hide' });
    if (shots) await writeFile(join(shots, `${name}.png`), picture);
    const taken = await smaller(blank, picture);
    const path = join(FOLDER, `${name}.png`);
    if (write) return writeFile(path, taken, 'base64');
    if (!existsSync(path)) return found.push(`${name}: there is no stored picture`);
    const share = await difference(blank, (await readFile(path)).toString('base64'), taken);
    if (share > MOST) found.push(`${name}: ${(share * 100).toFixed(1)} % of it look otherwise than ${path}`);
  };
  for (const theme of THEMES) {
    // What is dark differs by colours alone.
    for (const viewport of theme === 'dark' ? [DESK] : [DESK, PHONE]) {
      const { context, page } = await open(browser, { base, theme, viewport, touch: viewport === PHONE, timezone: 'Etc/UTC' });
      await page.clock.setFixedTime(MOMENT * 1000);
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
  await blank.close();
  return found;
}
