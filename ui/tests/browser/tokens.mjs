// API tokens against the real server: one that is good for a part is made in the settings, does that and no more, and ends.
import { check, holds, open, settled, signIn, violations } from './browser.mjs';

export async function tokens({ browser, base, user, password }) {
  // Only to put axe into the page; the policy itself is tested by every other run.
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  await page.goto(`${base}/settings`);
  await settled(page);
  const card = page.locator('#tokens');
  await card.getByRole('button', { name: 'Make a token' }).click();
  await card.getByLabel('What it is for').fill('figures');
  await card.getByLabel('Valid for days').fill('30');
  await card.getByLabel('Read everything').uncheck();
  await holds(async () => await card.getByRole('button', { name: 'Make it' }).isDisabled(), 'a token for nothing cannot be made');
  await card.getByLabel('Read hosts, incidents and figures').check();
  // What lies below the header when the page is scrolled is no fault of the page.
  const look = async (name) => {
    await page.evaluate(() => scrollTo(0, 0));
    faults.push(...(await violations(page, name)));
  };
  await look('a new token');
  await card.getByRole('button', { name: 'Make it' }).click();
  const secret = (await card.locator('code').innerText()).trim();
  check(secret.startsWith('hark_'), `the token is shown: ${secret.slice(0, 5)}`);
  await look('the token');
  await card.getByRole('button', { name: 'I have it' }).click();
  await card.getByText('hosts:read; not used yet; ends').waitFor();

  // Not from within the page, whose console would complain about what is refused.
  const ask = async (path) => (await page.request.get(`${base}${path}`, { headers: { authorization: `Bearer ${secret}` } })).status();
  await holds(async () => (await ask('/api/0/hosts')) === 200, 'it reads hosts');
  await holds(async () => (await ask('/api/0/users')) === 403, 'and nothing of users');
  await page.reload();
  await card.getByText('hosts:read; used').waitFor();
  await card.getByRole('button', { name: 'Revoke figures' }).click();
  await card.getByText('No token.').waitFor();
  await holds(async () => (await ask('/api/0/hosts')) === 401, 'it has ended');
  await context.close();
  return faults;
}
