// Charts beyond their lines: zoom by keys, an earlier time and other hosts beside them, moments, what can be taken along.
import { readFile } from 'node:fs/promises';
import { check, holds, names, open, settled, signIn } from './browser.mjs';

export async function charts({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  const known = await names(page);
  const asked = [];
  page.on('request', (request) => asked.push(decodeURIComponent(request.url())));
  await page.goto(`${base}/hosts/${known.host}?range=1h`);
  await settled(page);
  const plot = page.locator('.plot').first();
  await page.locator('.uplot canvas').first().waitFor();
  const title = (await plot.getAttribute('aria-label')) ?? '';
  check(/: now .*, lowest .*, highest /.test(title), `a chart says what it shows: ${title}`);

  // Zoom by keys, for all charts of the page, and back.
  await plot.focus();
  await page.keyboard.press('+');
  await page.waitForURL(/from=\d+&to=\d+/);
  const zoomed = new URL(page.url()).searchParams;
  check(Number(zoomed.get('to')) - Number(zoomed.get('from')) <= 1810, 'plus shows half of the time');
  await page.waitForFunction(() => document.querySelectorAll('.loading').length === 0);
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('0');
  await page.waitForURL((url) => !url.searchParams.has('from'));

  // The week before: one line more in each chart, asked for the same time a week earlier.
  const lines = () => page.locator('figure').first().locator('figcaption li svg').count();
  const before = await lines();
  await page.getByLabel('Compare with').selectOption('7d');
  await page.waitForURL(/compare=7d/);
  await page.locator('figcaption', { hasText: 'the week before' }).first().waitFor();
  await holds(async () => (await lines()) === before + 1, 'the week before is one line');
  await page.getByLabel('Compare with').selectOption('');
  await page.waitForURL((url) => !url.searchParams.has('compare'));

  // Other hosts: by name, with what is wrong said, then by the address alone.
  const others = await page.evaluate(async (host) => (await (await fetch('/api/0/fleet')).json()).name.filter((name) => name !== host).slice(0, 2), known.host);
  if (others.length > 0) {
    await page.getByRole('button', { name: 'Other hosts', exact: true }).click();
    await page.getByLabel('Hosts', { exact: true }).fill('no-such-host');
    await page.keyboard.press('Enter');
    await page.getByText('There is no host called no-such-host.').waitFor();
    await page.getByLabel('Hosts', { exact: true }).fill(others.join(' '));
    await page.keyboard.press('Enter');
    await page.waitForURL(/with=/);
    await page.locator('figcaption', { hasText: others[0] }).first().waitFor();
    check(asked.some((url) => url.includes('/api/0/series?') && url.includes(`hosts=${others.join(',')}`)), 'the hosts are asked for at once');
    await page.reload();
    await settled(page);
    await page.locator('figcaption', { hasText: others[0] }).first().waitFor();
    await page.getByRole('button', { name: 'Without other hosts' }).click();
    await page.waitForURL((url) => !url.searchParams.has('with'));
  }

  // A host that has just been met: so few values are no line, and the chart says that.
  await page.route('**/series?*', async (route) => {
    const answer = await route.fetch();
    const series = await answer.json();
    const few = (column) => column.map((value, place) => (place < column.length - 3 ? null : value));
    for (const part of ['min', 'avg', 'max']) series[part] = series[part].map(few);
    await route.fulfill({ response: answer, json: series });
  });
  await page.reload();
  await settled(page);
  await page.getByText(/^Only .* so far: too few to draw$/).first().waitFor();
  await page.unroute('**/series?*');
  await page.reload();
  await settled(page);

  // What can be taken along: a picture, the numbers, the address of exactly this view.
  const tools = page.getByRole('button', { name: /^Take .* along$/ }).first();
  await tools.click();
  const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Picture (PNG)' }).click()]);
  const bytes = await readFile(await png.path());
  check(bytes.subarray(1, 4).toString() === 'PNG' && bytes.length > 2000, 'the picture is a PNG');
  check(png.suggestedFilename().endsWith('.png'), png.suggestedFilename());
  await tools.click();
  const link = page.getByRole('link', { name: 'Numbers (CSV)' });
  const csv = await page.evaluate(async (href) => {
    const answer = await fetch(href);
    return { type: answer.headers.get('content-type'), text: (await answer.text()).slice(0, 200), status: answer.status };
  }, await link.getAttribute('href'));
  check(csv.status === 200 && csv.type.startsWith('text/csv') && csv.text.startsWith('time,unix_s,'), `the numbers are a table: ${JSON.stringify(csv)}`);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy link to this view' }).click();
  await page.locator('.toasts', { hasText: /link/ }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText().catch(() => location.href));
  check(/from=\d+/.test(copied) && /to=\d+/.test(copied) && /chart=/.test(copied), `the link holds the time and the chart: ${copied}`);
  await page.goto(copied);
  await settled(page);
  await page.waitForFunction(() => document.activeElement?.classList.contains('plot'));
  await page.keyboard.press('t');
  await page.locator('figure table').first().waitFor();

  // A moment: by a click on a chart, and what is known of it.
  await page.goto(`${base}/hosts/${known.host}?range=6h`);
  await settled(page);
  await page.locator('.uplot canvas').first().waitFor();
  await page.locator('.u-over').first().click({ position: { x: 80, y: 40 } });
  await page.waitForURL(/at=\d+/);
  await page.locator('#moment-title').waitFor();
  await context.close();
  return faults;
}

/** What the stand-in knows to have happened: marks in lanes, and who used most when the processors were busy. */
export async function moments({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await page.goto(`${base}/hosts/db-03.fra?range=6h`);
  await settled(page);
  const lane = page.getByRole('img', { name: /^Logs: 2 entries/ });
  await lane.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.waitForURL(/at=\d+/);
  const section = page.locator('section.moment');
  await section.getByText('No space left on device').waitFor();
  await section.getByRole('cell', { name: /autovacuum/ }).waitFor();
  await holds(async () => (await section.getByRole('row').count()) === 4, 'three processes and their head');
  await holds(async () => await section.getByText('backup.service').filter({ visible: true }).first().isVisible(), 'with their services');
  await section.getByRole('button', { name: 'Close' }).click();
  await page.waitForURL((url) => !url.searchParams.has('at'));
  await context.close();
  return faults;
}
