// The checks of all hosts: kinds, filters, orders and groups, and the drawer in which one is made, tried, changed and taken away.
import { check, holds, look, names, open, settled, signIn } from './browser.mjs';

export async function drawer({ browser, base, user, password }) {
  const found = [];
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const { host } = await names(page);
  const dialog = page.locator('dialog[open]');
  const rows = page.locator('main tbody tr[data-row]');

  // A check is made beside the table, of what answers for sure: hark's own port.
  await page.goto(`${base}/checks`);
  await settled(page);
  await page.getByRole('link', { name: 'Add a check' }).click();
  await page.waitForURL(/[?&]new=1/);
  await dialog.getByLabel('Name (needed)').fill('door');
  await dialog.getByLabel('Type (needed)').selectOption('tcp');
  const port = dialog.getByLabel('port', { exact: false }).first();
  if (!(await port.isVisible())) await dialog.getByText('More settings of tcp').click();
  await port.fill(new URL(base).port);
  await dialog.getByLabel(/^host/).first().fill('nobody.example');
  await page.keyboard.press('Tab');
  await dialog.getByText('0 of 1 host known').waitFor();
  await dialog.getByLabel(/^host/).first().fill(host);
  await page.keyboard.press('Tab');
  await dialog.getByText('1 of 1 host known').waitFor();
  await look(page, 'drawer-new', found);
  await dialog.getByRole('button', { name: 'Check and compare' }).click();
  await dialog.getByRole('heading', { name: 'Saving door changes this' }).waitFor();
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await holds(async () => new URL(page.url()).pathname === '/checks', `the table stays: ${page.url()}`);

  // It stands in the table with its kind, place and interval, and after a look with how long one takes.
  const door = page.getByRole('row', { name: /door/ });
  await door.waitFor({ timeout: 30_000 });
  await door.getByRole('cell', { name: 'tcp', exact: true }).waitFor();
  await door.getByRole('cell', { name: host, exact: true }).waitFor();
  await door.getByRole('button', { name: 'Details of door' }).click();
  await page.waitForURL(/[?&]open=door/);
  await dialog.getByRole('button', { name: 'Run once now' }).click();
  await dialog.getByText(`on ${host}:`).waitFor({ timeout: 40_000 });
  await dialog.locator('pre').getByText(/is open/).waitFor();
  await dialog.getByText(/no route leads to a receiver/).waitFor();
  await look(page, 'drawer-details', found);
  await dialog.getByLabel(/^every/).first().fill('17s');
  await dialog.getByRole('button', { name: 'Check and compare' }).click();
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await door.getByText(/17\ss/).waitFor({ timeout: 20_000 });
  await holds(async () => /\d\s(ms|µs|s)/.test((await door.locator('td').nth(5).innerText()) ?? ''), 'how long a look takes is shown');

  // Filters, orders and groups are in the address.
  await page.getByLabel('Kind').selectOption('tcp');
  await page.waitForURL(/kind=tcp/);
  await holds(async () => (await rows.count()) === 1, 'one of a kind');
  await page.getByRole('button', { name: 'Failing', exact: true }).first().click();
  await page.getByText('No check fits what is asked for.').waitFor();
  await page.goto(`${base}/checks?group=kind`);
  await settled(page);
  await holds(async () => (await page.locator('tr.group').count()) >= 2, 'there are groups');
  await look(page, 'checks-grouped', found);
  await page.getByRole('columnheader', { name: 'Check' }).getByRole('button').click();
  await page.waitForURL(/sort=name/);
  const read = () => rows.locator('a').allInnerTexts();
  const up = await read();
  await page.getByRole('columnheader', { name: 'Check' }).getByRole('button').click();
  await page.waitForURL(/sort=-name/);
  await holds(async () => (await read()).join() === up.toReversed().join(), 'the other way round');
  await holds(async () => (await page.locator('th[aria-sort=descending]').count()) === 1, 'the order is said');

  // What a file declares is shown with its place, what hark watches by itself has nothing to set.
  await page.goto(`${base}/checks?open=memory_monitor.percent`);
  await dialog.getByText(/Declared in .*hark\.yaml, line \d+/).waitFor();
  await holds(async () => (await dialog.getByRole('button', { name: 'Check and compare' }).count()) === 0, 'and cannot be changed here');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await holds(async () => !page.url().includes('open='), 'the address is that of the table');
  await page.goto(`${base}/checks?open=host`);
  await dialog.getByText('This is watched by itself').waitFor();

  // Who may only look sees how it is, and no form.
  const made = await page.evaluate(
    ([secret, seen]) => fetch('/api/0/users', { method: 'POST', headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: JSON.stringify({ name: 'olga', full_name: '', password: secret, roles: { [seen]: 'monitor' } }) }).then((answer) => answer.status),
    [password, host],
  );
  check(made === 200, `olga is made: ${made}`);
  const olga = await open(browser, { base });
  await signIn(olga.page, { base, user: 'olga', password });
  await olga.page.goto(`${base}/checks?open=door&new=1`);
  const hers = olga.page.locator('dialog[open]');
  await hers.getByText('Its settings are for administrators.').waitFor();
  await holds(async () => (await hers.locator('form').count()) === 0, 'there is no form');
  await holds(async () => (await hers.getByRole('button', { name: 'Run once now' }).count()) === 0, 'and nothing to order');
  await holds(async () => (await olga.page.getByRole('link', { name: 'Add a check' }).count()) === 0, 'nor to make');
  await olga.context.close();

  await page.goto(`${base}/checks?open=door`);
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
  await dialog.getByRole('button', { name: 'Remove now' }).click();
  await dialog.waitFor({ state: 'detached' });
  await door.waitFor({ state: 'detached', timeout: 20_000 });
  await context.close();
  return [...faults, ...olga.faults, ...new Set(found)];
}
