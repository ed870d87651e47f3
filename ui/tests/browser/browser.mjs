// A browser that keeps account of what goes wrong: any error on the console, any refused resource, any fault of a script.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const THEMES = ['light', 'dark'];
export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** What a browser writes about answers that a test asks for: nobody is signed in yet, no such host, somebody was faster. */
const EXPECTED = /Failed to load resource: the server responded with a status of (401|404|409|422|429)/;

/** A fresh profile. `faults` fills with everything that should not have happened. */
export async function open(browser, { theme = 'light', viewport = DESK, base, bypassCSP = false, touch = false, timezone } = {}) {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce', ignoreHTTPSErrors: true, bypassCSP, hasTouch: touch, isMobile: touch, locale: 'en-GB', timezoneId: timezone });
  await context.addCookies([{ name: 'theme', value: theme, url: base }]);
  // Longer words than English ones: the tests that look at no text run in another language as well.
  if (process.env.HARK_LANG) await context.addCookies([{ name: 'lang', value: process.env.HARK_LANG, url: base }]);
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) faults.push(`${page.url()}: ${message.text().slice(0, 300)}`);
  });
  page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.message} ${String(error.stack).slice(0, 300)}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.host !== new URL(base).host) faults.push(`another host was asked: ${url.host}`);
  });
  return { context, page, faults };
}

export async function signIn(page, { base, user, password }) {
  await page.goto(base);
  await page.waitForSelector('#login-name');
  await page.fill('#login-name', user);
  await page.fill('#login-password', password);
  await page.keyboard.press('Enter');
  await page.locator('#main h1').first().waitFor();
}

/** A page has settled: its heading stands and nothing waits as a skeleton. */
export async function settled(page) {
  // A locator, not a handle: a handle to the heading would keep the whole page alive after it has gone.
  await page.locator('h1:visible, article h2:visible').first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('main .skeleton').length === 0, undefined, { timeout: 10_000 });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}

export function check(truth, text) {
  if (!truth) throw new Error(text);
}

/** How long what a page shows may take to become true: the page draws after an event, not with it. */
const DRAWN_MS = 5_000;
const ASK_MS = 50;

/** Asks a page until `read` says true. `text` says what should have been, or reads what is there instead. */
export async function holds(read, text) {
  const end = Date.now() + DRAWN_MS;
  while (!(await read())) {
    if (Date.now() > end) throw new Error(typeof text === 'function' ? await text() : text);
    await new Promise((wake) => setTimeout(wake, ASK_MS));
  }
}

/** Some names that the pages with an object need. */
export async function names(page) {
  return page.evaluate(async () => {
    const get = async (path) => (await fetch(`/api/0${path}`)).json();
    const fleet = await get('/fleet');
    const overview = await get('/overview');
    return { host: overview.problems[0]?.host ?? fleet.name[0] ?? null, incident: overview.problems.find((one) => one.ack === null && one.silenced_until_unix_s === null)?.incident ?? null, hosts: fleet.name.length };
  });
}

/** What axe has to say of a page, which must let it in (`bypassCSP`). */
export async function audit(page, name, found) {
  await page.evaluate(AXE);
  const result = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }), TAGS);
  for (const one of result.violations) found.push(`${name}: ${one.id}: ${one.nodes.length} × ${one.nodes[0].html.slice(0, 160)} ${(one.nodes[0].failureSummary ?? '').split('\n').slice(1, 2).join('').trim()}`);
}

/** What axe finds on a page as it is now. */
export async function violations(page, name) {
  const found = [];
  await audit(page, name, found);
  return found;
}

/** A page in both themes and at both sizes: axe, and nothing wider than the window. With HARK_SHOTS=<folder> the pictures are kept for people. */
export async function look(page, name, found) {
  for (const [theme, size] of [['dark', DESK], ['light', PHONE]]) {
    await page.setViewportSize(size);
    await page.evaluate((wanted) => {
      document.documentElement.setAttribute('data-theme', wanted);
      // What lies below the header when the page is scrolled is no fault of the page.
      scrollTo(0, 0);
    }, theme);
    const where = `${name} ${theme} ${size.width}`;
    await audit(page, where, found);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) found.push(`${where}: ${over} px wider than the window`);
    if (process.env.HARK_SHOTS) await page.screenshot({ path: `${process.env.HARK_SHOTS}/${name}-${theme}-${size.width}.png`, fullPage: true });
  }
  await page.setViewportSize(DESK);
}
