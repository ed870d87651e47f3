// A host carries out an action: ordered with the keyboard alone, its outcome seen; and who may not order sees none.
import { check, holds, open, settled, signIn } from './browser.mjs';

const HOST = 'db-03.fra';
const PLAIN = 'k8s-04.ams';
/** More than the page has stops before the first action. */
const MOST_STOPS = 60;

const tabs = (page) => page.locator('[role=tablist]').first().innerText();

/** Goes on by Tab until the focus is on the control of this name. */
async function tabTo(page, name) {
  for (let stop = 0; stop < MOST_STOPS; stop += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.getAttribute('aria-label') === wanted, name)) return;
  }
  throw new Error(`Tab does not lead to “${name}”`);
}

async function run(page, action, reason, outcome, output) {
  await tabTo(page, `Run ${action}`);
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] input:focus');
  await holds(async () => (await page.textContent('dialog[open] h2')) === `Run ${action} on ${HOST}?`, 'the question names the action and the host');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] [role=alert]');
  await holds(async () => await page.evaluate(() => document.activeElement?.tagName === 'INPUT'), 'without a reason the focus stays in its field');
  await page.keyboard.type(reason);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('dialog[open]') === null);
  await holds(async () => await page.evaluate((wanted) => document.activeElement?.getAttribute('aria-label') === wanted, `Run ${action}`), 'the focus is back on the button');
  const first = page.locator('table tbody tr').first();
  await first.filter({ hasText: reason }).filter({ hasText: /Waiting for the agent|The agent has it/ }).waitFor();
  // Nobody presses anything: the page looks after what it waits for.
  await first.filter({ hasText: reason }).filter({ hasText: outcome }).filter({ hasText: output }).waitFor({ timeout: 10_000 });
  await holds(async () => /mira/.test(await first.innerText()), 'the row says who');
  await page.locator('.toasts', { hasText: `${action} on ${HOST}: ${outcome}` }).waitFor();
}

export async function actions({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await page.goto(`${base}/hosts/${HOST}`);
  await settled(page);
  await page.locator('#tab-actions').waitFor();
  for (let step = 0; step < 4; step += 1) await page.keyboard.press(']');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('tab') === 'actions');
  await page.locator('#offered').waitFor();

  await run(page, 'reload-postgres', 'it hangs', 'Done, exit 0', 'server signaled');
  await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
  await run(page, 'rotate-wal', 'the disk is full', 'Failed, exit 3', '1 of 14 segments archived');
  const stored = await page.evaluate(async (host) => (await (await fetch(`/api/0/hosts/${host}/actions`)).json()).orders.slice(0, 2), HOST);
  check(stored[0].reason === 'the disk is full' && stored[1].reason === 'it hangs', 'both orders are stored on the server, once each');

  // An outcome that is there is not asked for again.
  const asked = [];
  page.on('request', (request) => request.url().endsWith('/actions') && asked.push(request.url()));
  await page.waitForTimeout(3000);
  check(asked.length === 0, 'nothing is asked while nothing waits');

  // Where nothing is offered there is no such tab, and its address leads to the overview.
  await page.goto(`${base}/hosts/${PLAIN}?tab=actions`);
  await settled(page);
  await page.locator('#tab-overview[aria-selected=true]').waitFor();
  await holds(async () => !/Actions/.test(await tabs(page)), 'a host that offers nothing has no actions');

  // A role that may only look has none either, and the server is not asked; a manager has them.
  for (const [role, sees] of [['monitor', false], ['manager', true]]) {
    await page.route('**/api/0/auth/me', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), admin: false, roles: { [HOST]: role } } });
    });
    asked.length = 0;
    await page.goto(`${base}/hosts/${HOST}?tab=actions`);
    await settled(page);
    await page.locator(`#tab-${sees ? 'actions' : 'overview'}[aria-selected=true]`).waitFor();
    await holds(async () => /Actions/.test(await tabs(page)) === sees, `a ${role} ${sees ? 'has' : 'has no'} actions`);
    check(asked.length > 0 === sees, `the page of a ${role} ${sees ? 'asks' : 'does not ask'} for actions`);
    await page.unroute('**/api/0/auth/me');
  }
  await context.close();
  return faults;
}
