// Rights that come and go while a page is open: what it offers follows within seconds, and nobody loads it anew.
import { check, holds, open, settled, signIn } from './browser.mjs';

const VERA = 'vera';
/** Far less than the minute after which a server looks at a user without a reason. */
const SOON = { timeout: 20_000 };

export async function granting({ browser, base, user, password }) {
  const admin = await open(browser, { base });
  await signIn(admin.page, { base, user, password });
  await settled(admin.page);
  await holds(async () => (await admin.page.evaluate(async () => (await (await fetch('/api/0/overview')).json()).problems.length)) > 0, 'there is an incident');
  /** Asks the API as the administrator; returns the entity tag. */
  const ask = async (method, path, body, tag = null) => {
    const { status, version, said } = await admin.page.evaluate(
      async ([how, where, what, seen]) => {
        const headers = { 'content-type': 'application/json', 'x-hark-csrf': '1', ...(seen === null ? {} : { 'if-match': seen }) };
        const answer = await fetch(`/api/0${where}`, { method: how, headers, ...(what === null ? {} : { body: JSON.stringify(what) }) });
        return { status: answer.status, version: answer.headers.get('etag'), said: await answer.text() };
      },
      [method, path, body, tag],
    );
    check(status < 300, `${method} ${path}: ${status} ${said}`);
    return version;
  };
  const give = (role) => ask('PUT', `/config/objects/access/${VERA}-${role}`, { value: { who: VERA, role, hosts: '*' } });
  const take = (role, version) => ask('DELETE', `/config/objects/access/${VERA}-${role}`, null, version);
  await ask('POST', '/users', { name: VERA, full_name: 'Vera', password, roles: {} });

  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user: VERA, password });
  await settled(page);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  const rail = page.locator('nav.rail');
  await holds(async () => (await page.locator('[data-incident]').count()) === 0, 'vera sees nothing yet');

  const sees = await give('monitor');
  await page.locator('[data-incident]').first().waitFor(SOON);
  await page.locator('[data-incident] a[href^="/incidents/"]').first().click();
  await page.locator('main').getByText('To act needs the role manager').first().waitFor(SOON);
  await holds(async () => (await page.locator('article .do').getByRole('button', { name: /Acknowledge/ }).count()) === 0, 'a monitor only looks');

  const acts = await give('manager');
  const acknowledge = page.locator('article .do').getByRole('button', { name: /Acknowledge/ });
  await acknowledge.waitFor(SOON);
  // What is half written is not taken away by another right that comes meanwhile.
  await page.keyboard.press('a');
  await page.waitForSelector('article form input.input');
  await page.keyboard.type('half a sen');
  const owns = await give('owner');
  await page.getByText('What you may see and do has changed').last().waitFor(SOON);
  await page.keyboard.type('tence');
  await holds(async () => (await page.inputValue('article form input.input')) === 'half a sentence', 'what is half written stays');
  await take('owner', owns);
  await take('manager', acts);
  await acknowledge.waitFor({ state: 'detached', ...SOON });

  await holds(async () => (await rail.getByRole('link', { name: 'Users' }).count()) === 0, 'vera administers nothing');
  await take('monitor', sees);
  await page.locator('main').getByText(/^There is no incident|All healthy|No incident/).first().waitFor(SOON);
  await holds(async () => (await acknowledge.count()) === 0, 'what may not be seen any more is gone');

  // The session ends: the sign-in stands over the page at once, and who signs in again has the rights of now.
  await ask('PUT', `/users/${VERA}`, { admin: true });
  await page.waitForSelector('dialog[open] #login-name', SOON);
  await page.fill('#login-name', VERA);
  await page.fill('#login-password', password);
  await page.keyboard.press('Enter');
  await rail.getByRole('link', { name: 'Users' }).waitFor(SOON);
  await acknowledge.waitFor(SOON);
  await holds(async () => await page.evaluate(() => window.sameDocument === true), 'the page was loaded anew');
  await ask('DELETE', `/users/${VERA}`, null);
  await page.waitForSelector('dialog[open] #login-name', SOON);
  await context.close();
  await admin.context.close();
  return [...admin.faults, ...faults].filter((text) => !/WebSocket connection/.test(text));
}
