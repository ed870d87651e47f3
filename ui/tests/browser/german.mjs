// The German page against a real server: no sentence that hark itself makes stands there in English.
//
// What is looked for are the sentences of the catalogue (`src/messages/de/said.ts`), which a unit test holds against what the engine says. What came
// from programs, receivers and people stays as it came, and has `lang="en"` or is none of them.
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { check, holds, names, open, settled, signIn } from './browser.mjs';

const CATALOGUE = fileURLToPath(new URL('../../src/messages/de/said.ts', import.meta.url));

/** Small words of English that German has not: where one stands, there is a sentence in English. */
const SMALL = /(?<![\p{L}\p{N}_./:-])(?:the|of|is|are|for|with|and|this|that|from|has|have|been|it|its|to|by|not|or|at|on|no|you|your|cannot|ago)(?![\p{L}\p{N}_/:-])/u;

/** What the server says of a request that it refuses, on pages where nobody is refused by himself: by kind, by sentence, by field. */
const REFUSED = [
  ['/settings/configuration', '**/api/0/config/**', 409, { type: '/problems/conflict', title: 'Not possible in this state', detail: "this server's configuration is in no file: nothing is kept here" }],
  ['/incidents', '**/api/0/incidents?**', 503, { type: '/problems/busy', title: 'Busy', detail: 'the server has too much to do; try again in a few seconds' }],
  ['/hosts', '**/api/0/fleet', 422, { type: '/problems/wrong-fields', title: 'Fields are wrong', detail: 'limit: use 1 to 500', errors: [{ field: 'limit', detail: 'use 1 to 500' }] }],
  ['/agents', '**/api/0/agents', 429, { type: '/problems/too-fast', title: 'Too many requests', detail: 'ask more slowly: the next request may come in 3 s' }],
];

/** Says what of `texts` is an English sentence: one of the catalogue, which makes another of it, or any other. One word may be anybody's. */
async function finder() {
  const made = await build({ configFile: false, logLevel: 'error', build: { ssr: true, write: false, rollupOptions: { input: CATALOGUE } } });
  const { said } = await import(`data:text/javascript,${encodeURIComponent(made.output[0].code)}`);
  return (texts) => texts.filter((text) => text.includes(' ') && (said(text) !== text || SMALL.test(text)));
}

/** What stands on the page: the texts of elements and of their tips. */
const texts = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('main *')]
      .filter((one) => one.closest('main [lang=en], svg, code, pre, textarea, option') === null)
      .flatMap((one) => {
        const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('');
        const whole = one.querySelector('[lang=en], code, pre, textarea, option') === null ? one.textContent : '';
        return [own, whole, one.getAttribute('title') ?? '', one.getAttribute('aria-label') ?? '', one.getAttribute('placeholder') ?? ''];
      })
      .map((text) => text.trim())
      .filter((text) => text !== ''),
  );

export async function german({ browser, base, user, password }) {
  const english = await finder();
  const found = [];
  const seen = {};
  for (const language of ['en', 'de']) {
    const { context, page, faults } = await open(browser, { base });
    await context.addCookies([{ name: 'lang', value: language, url: base }]);
    await signIn(page, { base, user, password });
    await settled(page);
    const { host, incident } = await names(page);
    check(incident !== null, 'there is an incident to look at');
    seen[language] = [];
    const look = async (path) => {
      await page.goto(base + path);
      await page.locator('h1:visible, article h2:visible').first().waitFor();
      await settled(page).catch(() => undefined);
      // The reasons of an incident come a moment later.
      if (path.startsWith('/incidents/')) await page.locator('article').getByText(/route|Route/).first().waitFor();
    };
    const read = async (path) => {
      for (const text of english(await texts(page))) seen[language].push(`${path}: ${text}`);
    };
    const ofHost = ['', '?tab=metrics', '?tab=checks', '?tab=events', '?tab=actions', '?range=1y'].map((tab) => `/hosts/${host}${tab}`);
    const paths = ['/', '/hosts', ...ofHost, '/checks', '/checks?check=memory_monitor.percent', '/all-metrics', '/all-metrics?name=hark_memory_percent', '/incidents', '/incidents?view=all', `/incidents/${incident}`, '/maintenance', '/maintenance?new=maintenance', '/notifications', '/journal', '/wall', '/agents', '/users', '/settings', '/status-pages', '/dashboards', '/more', '/nothing-here'];
    for (const path of paths) {
      await look(path);
      await read(path);
    }
    for (const [path, address, status, document] of REFUSED) {
      const refuse = (route) => route.fulfill({ status, contentType: 'application/problem+json', json: { status, ...document } });
      await page.route(address, refuse);
      await look(path);
      await holds(() => page.locator('main [role=alert]').first().isVisible(), `${path} says that it was refused`);
      await read(`${path} refused`);
      await page.unroute(address, refuse);
    }
    found.push(...faults.filter((fault) => !/status of (403|409|422|503)/.test(fault)));
    await context.close();
  }
  // The same pages in English have them: else nothing would have been looked at.
  check(seen.en.length >= 5, `English pages have sentences of the catalogue: ${seen.en.length}`);
  for (const [path] of REFUSED) check(seen.en.some((text) => text.startsWith(`${path} refused: `)), `${path} says in English why it was refused`);
  return [...found, ...new Set(seen.de.map((text) => `in English: ${text.slice(0, 200)}`))];
}
