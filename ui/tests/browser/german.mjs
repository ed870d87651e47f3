// The German page against a real server: no sentence that hark itself makes stands there in English.
//
// What is looked for are the sentences of the catalogue (`src/messages/de/said.ts`), which a unit test holds against what the engine says. What came
// from programs, receivers and people stays as it came, and has `lang="en"` or is none of them.
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { check, names, open, settled, signIn } from './browser.mjs';

const CATALOGUE = fileURLToPath(new URL('../../src/messages/de/said.ts', import.meta.url));

/** Says what of `texts` is an English sentence of the catalogue: what it makes another of. One word may be anybody's. */
async function finder() {
  const made = await build({ configFile: false, logLevel: 'error', build: { ssr: true, write: false, rollupOptions: { input: CATALOGUE } } });
  const { said } = await import(`data:text/javascript,${encodeURIComponent(made.output[0].code)}`);
  return (texts) => texts.filter((text) => text.includes(' ') && said(text) !== text);
}

/** What stands on the page: the texts of elements and of their tips. */
const texts = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('main *')]
      .filter((one) => one.closest('main [lang=en], svg, code, pre, textarea') === null)
      .flatMap((one) => {
        const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('');
        return [own, one.textContent, one.getAttribute('title') ?? '', one.getAttribute('aria-label') ?? ''];
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
    for (const path of ['/', '/hosts', `/hosts/${host}`, `/hosts/${host}?tab=checks`, `/hosts/${host}?tab=events`, '/checks', '/checks?check=memory_monitor.percent', '/incidents', '/incidents?view=all', `/incidents/${incident}`, '/maintenance', '/notifications', '/journal', '/wall']) {
      await page.goto(base + path);
      await page.locator('h1:visible, article h2:visible').first().waitFor();
      await settled(page).catch(() => undefined);
      // The reasons of an incident come a moment later.
      if (path.startsWith('/incidents/')) await page.locator('article').getByText(/route|Route/).first().waitFor();
      for (const text of english(await texts(page))) seen[language].push(`${path}: ${text}`);
    }
    found.push(...faults);
    await context.close();
  }
  // The same pages in English have them: else nothing would have been looked at.
  check(seen.en.length >= 5, `English pages have sentences of the catalogue: ${seen.en.length}`);
  return [...found, ...new Set(seen.de.map((text) => `in English: ${text.slice(0, 200)}`))];
}
