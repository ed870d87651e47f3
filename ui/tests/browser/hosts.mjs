// Hosts: one that is dropped comes back, by the toast and by the list; a check that is hidden is shown while it fails.
import { check, holds, look, open, settled, signIn } from './browser.mjs';

/** The host of this machine's agent. */
export async function dropping({ browser, base, user, password }) {
  const found = [];
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const all = async () => page.evaluate(async () => (await (await fetch('/api/0/hosts')).json()).items.map(({ id, name }) => ({ id, name })));
  const [own] = (await all()).filter(({ name }) => name !== 'db1' && name !== 'self');
  const drop = async () => {
    await page.goto(`${base}/hosts/${own.name}`);
    await settled(page);
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('button', { name: 'Remove this host' }).click();
    await page.locator('dialog[open]').getByRole('button', { name: `Remove ${own.name}` }).click();
    await page.getByText(`${own.name} is removed.`).waitFor();
  };

  await drop();
  await holds(async () => new URL(page.url()).pathname === '/hosts', 'the list of hosts is shown');
  await page.locator('.toasts').getByRole('button', { name: 'Undo' }).click();
  await page.getByText(`${own.name} is back.`).waitFor();
  await holds(async () => (await all()).some(({ id }) => id === own.id), 'it is the same host as before');

  // Too late for the toast: the list has it for an hour. Its incidents, over by now, are still its own.
  await drop();
  const over = await page.evaluate(async () => (await (await fetch('/api/0/incidents?view=resolved')).json()).items.map(({ host }) => host));
  check(over.includes(own.name), `the incidents of a dropped host keep its name: ${over.join(', ')}`);
  await page.goto(`${base}/hosts?state=dropped`);
  await settled(page);
  await page.getByText('then it is removed').waitFor();
  await look(page, 'dropped', found);
  await page.getByRole('button', { name: `Undo the removal of ${own.name}` }).press('Enter');
  await page.getByText('No host was dropped within the last hour.').waitFor();
  const after = await all();
  check(after.filter(({ name }) => name === own.name).length === 1 && after.some(({ id }) => id === own.id), 'there is one of the name, the same as before');
  await page.getByRole('group', { name: 'State' }).getByRole('button', { name: 'All' }).click();
  await page.getByRole('row', { name: new RegExp(own.name) }).waitFor();
  // Its agent has gone on sending, and is heard again.
  await page.goto(`${base}/hosts/${own.name}`);
  await page.evaluate(async (path) => {
    const heard = async () => (await (await fetch(path)).json()).last_heard_at;
    const before = await heard();
    for (const end = Date.now() + 20_000; Date.now() < end && (await heard()) === before; ) await new Promise((done) => setTimeout(done, 200));
    if ((await heard()) === before) throw new Error('it is not heard again');
  }, `/api/0/hosts/${own.name}`);
  await context.close();
  return [...faults, ...new Set(found)];
}

/** The check `shop` of db1 is hidden, and a job that reports itself. */
export async function hidden({ browser, base, user, password }) {
  const found = [];
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const address = async (how) => page.evaluate(async (end) => {
    const push = (await (await fetch('/api/0/pushes')).json()).find(({ check }) => check === 'shop');
    return (await fetch(push.path + end)).status;
  }, how);
  check((await address('')) === 200, 'the job reports itself');
  await page.goto(`${base}/hosts/db1?tab=checks`);
  await settled(page);
  const shop = page.getByRole('button', { name: 'shop', exact: true });
  const show = page.getByRole('button', { name: /hidden check/ });
  await show.waitFor();
  await holds(async () => (await shop.count()) === 0, 'a hidden check that is well is not shown');
  await show.focus();
  await page.keyboard.press('Enter');
  await shop.waitFor();
  await page.getByText('Whether people can buy').waitFor();
  await look(page, 'hidden-check', found);
  await page.getByRole('button', { name: 'Hide what is hidden and well' }).click();
  await shop.waitFor({ state: 'detached' });
  check((await address('/fail')) === 200, 'the job fails');
  await shop.waitFor();
  await page.getByText('Whether people can buy').waitFor();
  await holds(async () => (await page.getByRole('button', { name: /hidden/ }).count()) === 0, 'nothing is out of sight');
  await context.close();
  return [...faults, ...new Set(found)];
}
