// The metrics of all hosts: found by a part of their name, they lead to the hosts that have one, and these to its chart.
import { check, holds, open, settled, signIn } from './browser.mjs';

export async function measured({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  // The address of the seed.
  await page.goto(`${base}/plugins`);
  await settled(page);
  const rows = page.locator('main [data-row]');
  await holds(async () => (await rows.count()) > 5, 'the metrics are listed');
  const all = await rows.count();
  await page.keyboard.press('/');
  await page.keyboard.type('memory_monitor.percent');
  await holds(async () => (await rows.count()) === 1 && page.url().includes('q=memory_monitor.percent'), 'one fits, and the address says what was looked for');
  check(all > 1, 'there were others');
  await page.keyboard.press('Escape');
  await page.locator('h1').click();
  await page.keyboard.press('J');
  await page.keyboard.press('Enter');
  await holds(() => page.url().includes('name=hark_memory_percent'), () => `the name leads to its hosts: ${page.url()}`);
  // Not each of them is heard.
  const heard = rows.filter({ hasText: /\d\s%/ }).first();
  await holds(() => heard.isVisible(), 'a host has a value in percent');
  const host = await heard.locator('a').innerText();
  // A host that there is not: said, and nothing else.
  await page.fill('#metric-filter', 'no-such-host-anywhere');
  await holds(async () => (await rows.count()) === 0 && (await page.locator('main').innerText()).includes('no-such-host-anywhere'), 'that nothing matches is said');
  await page.fill('#metric-filter', host);
  await holds(async () => (await rows.count()) > 0, 'the host is found');
  await rows.first().locator('a').click();
  await page.waitForSelector('.uplot canvas');
  await holds(() => decodeURIComponent(page.url()).includes('charts=memory_monitor.percent'), () => `its chart is shown: ${page.url()}`);
  // A link to a metric that nobody has.
  await page.goto(`${base}/all-metrics?name=nothing_of_this_name`);
  await holds(async () => (await page.locator('main').innerText()).includes('nothing_of_this_name'), 'a metric that is not there is said to be none');
  await context.close();
  return faults;
}
