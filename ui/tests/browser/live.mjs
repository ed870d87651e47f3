// Live data when the way is bad: the server goes and comes back, the session ends, the socket is refused.
import { check, holds, open, settled, signIn } from './browser.mjs';

/** Needs a server that can be stopped: `server.stop()` and `server.start()`. */
export async function reconnect({ browser, base, user, password, server }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await settled(page);
  await page.waitForFunction(() => document.querySelector('.badge.live'));
  await server.stop();
  await page.waitForSelector('.badge.lost', { timeout: 10_000 });
  await holds(async () => /data from \d\d:\d\d:\d\d/.test(await page.textContent('.badge')), 'the badge says how old the data is');
  await holds(async () => (await page.locator('p.bar').count()) === 1, 'a bar says that the page is out of date');
  await holds(async () => (await page.locator('[data-incident]').count()) > 0, 'what was there stays');
  await server.start();
  await page.waitForFunction(() => document.querySelector('.badge.live') || document.querySelector('dialog[open] #login-name'), undefined, { timeout: 30_000 });
  // What the browser writes about a server that is away is what this test is about.
  await context.close();
  return faults.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket connection/.test(text));
}

/** The session ends while somebody types: the text is still there after signing in again. */
export async function expiry({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await page.waitForSelector('[data-incident]');
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  await page.keyboard.type('half a sentence');
  await context.clearCookies({ name: /hark/ });
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] #login-name');
  await page.fill('#login-name', user);
  await page.fill('#login-password', password);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('dialog[open]') === null);
  await holds(async () => (await page.inputValue('[data-incident] form input')) === 'half a sentence', 'what was typed is still there');
  await context.close();
  return faults.filter((text) => !/WebSocket connection/.test(text));
}

/** Without a socket the page asks by itself. */
export async function polling({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await page.routeWebSocket(/\/ws$/, (socket) => void socket.close());
  await signIn(page, { base, user, password });
  await settled(page);
  let asked = 0;
  page.on('request', (request) => {
    if (new URL(request.url()).pathname === '/api/0/overview') asked += 1;
  });
  const until = Date.now() + 30_000;
  while (asked < 2 && Date.now() < until) await page.waitForTimeout(250);
  check(asked >= 2, 'the overview is asked for again and again');
  await context.close();
  return faults.filter((text) => !/WebSocket connection/.test(text));
}
