// Programs and their tokens, and a host that changes hands: an administrator does it in the page alone. What all hosts are checked for, and what
// somebody is offered who may only look.
import { check, holds, look, names, open, settled, signIn } from './browser.mjs';
import { ROLES, roles } from './roles.mjs';

export async function people({ browser, base, user, password }) {
  const found = [];
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const { host } = await names(page);

  await page.goto(`${base}/users`);
  await settled(page);
  await page.getByRole('button', { name: 'New program' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.locator('dialog[open]');
  await dialog.getByLabel('Name of the program').fill('deploy');
  await holds(async () => (await dialog.getByLabel('Password').count()) === 0, 'a program has no password');
  await dialog.getByRole('button', { name: 'New program' }).click();
  await dialog.getByText('A program has tokens').waitFor();
  await dialog.getByRole('button', { name: 'Make a token' }).click();
  await dialog.getByLabel('What it is for').fill('the pipeline');
  await look(page, 'program-token', found);
  await dialog.getByRole('button', { name: 'Make it' }).click();
  const secret = (await dialog.locator('code').first().textContent())?.trim() ?? '';
  check(/^hark_/.test(secret), `a token is shown once: ${secret.slice(0, 8)}`);
  const status = async () => (await fetch(`${base}/api/0/overview`, { headers: { authorization: `Bearer ${secret}` } })).status;
  await holds(async () => (await status()) === 200, 'the token works');
  await dialog.getByRole('button', { name: 'Revoke the pipeline' }).click();
  await dialog.getByText('No token.').waitFor();
  await holds(async () => (await status()) === 401, 'it is revoked');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('row', { name: /deploy/ }).getByText('program', { exact: true }).waitFor();

  await page.goto(`${base}/hosts/${host}`);
  await settled(page);
  const give = async (name) => {
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('button', { name: 'Hand over' }).click();
    await dialog.getByLabel('New owner').fill(name);
    await dialog.getByRole('button', { name: 'Hand over' }).click();
  };
  await give('nobody-here');
  await dialog.getByText('there is no user of this name').waitFor();
  await look(page, 'hand-over', found);
  await dialog.getByLabel('New owner').fill(user);
  await dialog.getByRole('button', { name: 'Hand over' }).click();
  await page.locator('aside').getByText(`Belongs to ${user}.`).waitFor();
  await give('deploy');
  await page.locator('aside').getByText('Belongs to deploy.').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator('aside').getByText(`Belongs to ${user}.`).waitFor();

  // Who may do what: those whom the host names are changed, everybody who may is shown, and it is undone.
  const access = async () => {
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('button', { name: 'Access' }).click();
    await dialog.getByRole('cell', { name: user, exact: true }).waitFor();
  };
  await access();
  await dialog.getByLabel('Managers').fill('nobody-here, deploy');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('there is no user called "nobody-here"').waitFor();
  await look(page, 'access', found);
  await dialog.getByLabel('Managers').fill('deploy');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText(`Who may do what with ${host} has been saved.`).waitFor();
  await access();
  await dialog.getByRole('row', { name: 'deploy Manager' }).waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText(`Who may do what with ${host} is as before.`).waitFor();
  await access();
  await holds(async () => (await dialog.getByRole('row', { name: /deploy/ }).count()) === 0, 'deploy may nothing again');
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  await page.goto(`${base}/users`);
  await page.getByRole('button', { name: 'deploy: change' }).click();
  await dialog.getByRole('button', { name: 'Remove deploy' }).click();
  await dialog.getByRole('button', { name: 'Remove deploy' }).click();
  await page.getByRole('row', { name: /deploy/ }).waitFor({ state: 'detached' });
  // What all hosts are checked for: one name leads to the hosts that fail at it, and on to one of them.
  await page.goto(`${base}/checks`);
  const row = page.getByRole('row', { name: /^Critical memory/ });
  await row.getByText('1 of 1', { exact: true }).waitFor();
  await look(page, 'checks', found);
  await page.getByLabel('Name or what it is about').fill('no such check');
  await page.getByText('Nothing matches no such check.').waitFor();
  await page.getByLabel('Name or what it is about').fill('memory');
  await page.waitForURL(/\/checks\?q=memory$/);
  await row.getByRole('link').click();
  await page.getByRole('heading', { level: 1, name: 'memory' }).waitFor();
  await page.getByRole('link', { name: host, exact: true }).waitFor();
  await look(page, 'checks-one', found);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(`/hosts/${host}\\?tab=checks$`));

  const { incident } = await names(page);
  check(incident !== null, 'there is an incident to look at');
  for (const [name, role] of Object.entries(ROLES)) {
    const made = await page.evaluate(
      ([who, secret, seen, what]) => fetch('/api/0/users', { method: 'POST', headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: JSON.stringify({ name: who, full_name: '', password: secret, roles: { [seen]: what } }) }).then((answer) => answer.status),
      [name, password, host, role],
    );
    check(made === 200, `${name} is made: ${made}`);
  }
  await context.close();
  return [...faults, ...(await roles({ browser, base, password, host, incident })), ...new Set(found)];
}
