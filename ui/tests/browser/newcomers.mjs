// Hosts that came after somebody signed in: what the page shows of them offers what his role there allows, without being loaded anew.
import { check, holds, open, settled, signIn } from './browser.mjs';

/** More than the pause between two questions about rights, less than two. */
const SOON = { timeout: 9000 };

export async function newcomers({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  const { problems } = await page.evaluate(async () => (await fetch('/api/0/overview')).json());
  // Both have an incident that nobody has taken.
  const LATE = ['db-03.fra', problems.find((one) => one.host !== 'db-03.fra' && one.ack === null && one.silenced_until_unix_s === null)?.host];
  const incident = problems.find((one) => one.host === LATE[1])?.incident;

  // A manager of all that is wrong, but of two hosts that came later; nothing that comes by itself shows those.
  const known = new Set(problems.map((one) => one.host).filter((host) => !LATE.includes(host)));
  const others = (list) => list.filter((one) => !LATE.includes(one.host));
  let asked = 0;
  await page.route('**/api/0/auth/me', async (route) => {
    asked += 1;
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), admin: false, roles: Object.fromEntries([...known].map((host) => [host, 'manager'])) } });
  });
  await page.route('**/api/0/overview', async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    await route.fulfill({ response: answer, json: { ...body, problems: others(body.problems) } });
  });
  await page.routeWebSocket(/\/ws$/, (socket) => {
    socket.connectToServer().onMessage((text) => {
      const { me: _, ...frame } = JSON.parse(text);
      if (frame.problems?.add) frame.problems.add = others(frame.problems.add);
      socket.send(JSON.stringify(frame));
    });
  });
  await page.goto(`${base}/notifications?state=retry`);
  await settled(page);
  const message = page.locator('.log tbody tr a.link').first();
  await message.waitFor();
  check(asked === 1, `nothing new was seen, so nothing is asked: ${asked}`);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  const go = (path) =>
    page.evaluate((where) => {
      const link = Object.assign(document.createElement('a'), { href: where });
      document.body.append(link);
      link.click();
      link.remove();
    }, path);

  known.add(LATE[0]);
  await message.click();
  await page.locator('dialog[open] button', { hasText: 'Try now' }).waitFor(SOON);
  await page.keyboard.press('Escape');

  // The other one is met within the pause: what is asked then is asked when it is over.
  known.add(LATE[1]);
  await go(`/incidents/${incident}`);
  const acknowledge = page.locator('article .do').getByRole('button', { name: /Acknowledge/ });
  await acknowledge.waitFor(SOON);
  await holds(async () => await page.evaluate(() => window.sameDocument === true), 'the page was loaded anew');
  check(asked === 3, `each was asked for once: ${asked}`);
  await context.close();
  return faults;
}
