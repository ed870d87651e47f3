// Status pages: an incident published in the page and read by a stranger, in both themes, on a phone, without script; and the wall.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DESK, PHONE, THEMES, audit, check, holds, open, settled, signIn } from './browser.mjs';

const SHOTS = process.env.HARK_SHOTS;

async function picture(page, name) {
  if (!SHOTS) return;
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** How far a page can be scrolled sideways. */
const over = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

async function publish(page, base) {
  await page.goto(`${base}/`);
  await settled(page);
  await page.keyboard.press('g');
  await page.keyboard.press('b');
  await page.waitForURL(`${base}/status-pages`);
  await page.getByRole('button', { name: 'Publish an incident: Nordlys Shop' }).waitFor();
  await page.keyboard.press('n');
  const form = page.locator('dialog[open]');
  await form.getByRole('button', { name: 'Publish an incident' }).click();
  await form.getByText('Say it in a few words.').first().waitFor();
  await holds(async () => await page.evaluate(() => document.activeElement?.id.endsWith('-title')), 'the focus is at what is missing');
  await form.getByLabel('Title').fill('Some <b>requests</b> fail');
  await form.getByLabel('What is there to say?').fill('About one request in five fails.\nOther regions are fine.');
  await form.getByLabel('Website').check();
  await form.getByLabel('How bad it is at least').selectOption('partial_outage');
  await form.getByRole('button', { name: 'Publish an incident' }).click();
  await page.getByRole('heading', { level: 4, name: 'Some <b>requests</b> fail' }).waitFor();
  await page.getByRole('button', { name: 'Say more: Some <b>requests</b> fail' }).click();
  await form.getByLabel('What is there to say?').fill('Release 241 is the cause.');
  await form.getByLabel('Stage').selectOption('identified');
  await form.getByRole('button', { name: 'Say more' }).click();
  await page.getByText('Release 241 is the cause.').waitFor();
  await page.getByRole('button', { name: /^Announce work/ }).first().click();
  await form.getByLabel('Title').fill('Core router firmware');
  await form.getByLabel('What is there to say?').fill('Two interruptions under a minute each.');
  await form.getByRole('button', { name: 'Announce work' }).click();
  await page.getByRole('heading', { level: 4, name: 'Core router firmware' }).waitFor();
}

/** What a stranger reads, and what axe says of it. */
async function read(browser, base, found) {
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      const { context, page, faults } = await open(browser, { base, theme, viewport, touch: viewport === PHONE, bypassCSP: true });
      await page.emulateMedia({ colorScheme: theme });
      const name = `status-${theme}-${viewport.width}`;
      for (const path of ['/status/shop', '/status/shop/history', '/status/none']) {
        const answer = await page.goto(base + path);
        check(answer?.status() === (path === '/status/none' ? 404 : 200), `${path}: ${answer?.status()}`);
        await page.evaluate(() => document.fonts.ready.then(() => undefined));
        await audit(page, `${path} ${theme} ${viewport.width}`, found);
        await holds(async () => (await over(page)) <= 0, `${path} scrolls sideways at ${viewport.width}`);
        await picture(page, `${name}${path.replace('/status/', '-').replace('/', '-')}`);
      }
      found.push(...faults);
      await context.close();
    }
  }
}

/** The page as it is sent: with its policy, without any script of ours. */
async function plain(browser, base, found) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 320, height: 700 } });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  await page.goto(`${base}/status/shop`);
  await holds(async () => (await page.locator('h1').innerText()) === 'Website is partly failing', async () => await page.locator('h1').innerText());
  await holds(async () => (await page.locator('article.open b').first().innerText()) === 'Identified.', 'the newest word comes first');
  await holds(async () => (await page.locator('article.open h2').innerText()) === 'Some <b>requests</b> fail', 'a title is a text');
  await holds(async () => (await page.locator('.components li').count()) === 2, 'both components');
  await holds(async () => /Last 90 days/.test((await page.locator('svg.strip').first().getAttribute('aria-label')) ?? ''), 'a strip has words');
  await page.getByText('Core router firmware').waitFor();
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  check(complaints.length === 0, complaints.join());
  await context.close();
  const { context: scripted, page: whole, faults } = await open(browser, { base });
  await whole.goto(`${base}/status/shop`);
  await whole.waitForTimeout(300);
  found.push(...faults);
  await scripted.close();
}

async function wall(browser, base, page, found) {
  const made = await page.evaluate(async () => {
    const answer = await fetch('/api/0/tokens', { method: 'POST', headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: JSON.stringify({ name: 'wall' }) });
    return answer.json();
  });
  const address = `${base}/wall?rotate=5#token=${made.secret}`;
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      const { context, page: screen, faults } = await open(browser, { base, theme, viewport, bypassCSP: true });
      // One screen stands behind a proxy that lets no WebSocket through: it asks instead.
      const asks = viewport === DESK && theme === 'light';
      if (asks) await screen.routeWebSocket('**/ws', (socket) => socket.close());
      const sockets = [];
      screen.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => sockets.push(String(payload))));
      await screen.goto(address);
      await screen.locator('.numbers b').first().waitFor();
      await holds(async () => (await screen.getByRole('button').count()) === 0 && (await screen.getByRole('link').count()) === 0, 'there is nothing to press');
      await screen.locator('.problems li').first().waitFor();
      for (let n = 0; n < 50 && !asks && !sockets.some((frame) => frame.includes('"snapshot":true')); n += 1) await screen.waitForTimeout(100);
      check(asks || sockets.some((frame) => frame.includes('"snapshot":true')), 'a screen with a token is told over the socket');
      await audit(screen, `wall ${theme} ${viewport.width}`, found);
      await holds(async () => (await over(screen)) <= 0, `the wall scrolls sideways at ${viewport.width}`);
      await picture(screen, `wall-${theme}-${viewport.width}`);
      if (asks) {
        await screen.getByRole('region', { name: 'All hosts' }).waitFor();
        await picture(screen, 'wall-hosts');
        await screen.getByRole('region', { name: 'Activity' }).waitFor();
        await audit(screen, 'wall activity', found);
        await picture(screen, 'wall-activity');
        // The server is away and comes back: nobody is there to help.
        await context.setOffline(true);
        await screen.getByRole('status').filter({ hasText: 'Trying again' }).waitFor({ timeout: 60_000 });
        await context.setOffline(false);
        await screen.waitForFunction(() => document.querySelector('.lost') === null, undefined, { timeout: 60_000 });
      }
      found.push(...faults.filter((fault) => !/ERR_INTERNET_DISCONNECTED|WebSocket/.test(fault)));
      await context.close();
    }
  }
}

export async function publishing({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  await publish(page, base);
  await audit(page, 'status pages', faults);
  await picture(page, 'status-pages');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize(PHONE);
  await audit(page, 'status pages on a phone', faults);
  await holds(async () => (await over(page)) <= 0, 'the list scrolls sideways on a phone');
  await picture(page, 'status-pages-phone');
  await page.setViewportSize(DESK);
  await read(browser, base, faults);
  await plain(browser, base, faults);
  await page.goto(`${base}/wall`);
  await page.locator('.numbers b').first().waitFor();
  await holds(async () => (await page.locator('nav').count()) === 0, 'the wall has no frame');
  await wall(browser, base, page, faults);
  await context.close();
  return faults;
}
