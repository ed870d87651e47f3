// What each role is offered, by people who have it on one host: a monitor, a manager, an owner.
import { holds, open, settled, signIn } from './browser.mjs';

/** Who has which role. */
export const ROLES = { nils: 'monitor', lena: 'manager', omar: 'owner' };

export async function roles(what) {
  return [...(await onlooker(what)), ...(await actor(what, 'lena')), ...(await actor(what, 'omar'))];
}

/** Whoever may only look is offered nothing that would be refused, and is asked nothing: a refusal in the console is a fault. */
async function onlooker({ browser, base, password, host, incident }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user: 'nils', password });
  const none = async (...buttons) => {
    for (const name of buttons) await holds(async () => (await page.getByRole('button', { name }).count()) === 0 && (await page.locator('main').getByRole('link', { name }).count()) === 0, `nils is offered ${name} at ${page.url()}`);
  };
  await settled(page);
  await page.locator('[data-incident]').first().waitFor();
  await none(/Acknowledge/);
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  await holds(async () => (await page.locator('[data-incident] form, dialog[open]').count()) === 0, 'A opens nothing');
  await holds(async () => (await page.locator('nav.rail').getByRole('link', { name: 'Users' }).count()) === 0, 'users are in no list of pages');
  for (const [path, text, ...buttons] of [
    ['/users', 'You may not see this', 'New user', 'New program', /Try again/],
    ['/settings/configuration/hosts', 'You may not see this', 'Export as YAML', /Try again/],
    [`/incidents/${incident}`, 'To act needs the role manager', /^Acknowledge/, /^Silence( |$)/],
    [`/hosts/${host}`, 'To act needs the role manager', /^Acknowledge/, /^Silence( |$)/, 'Maintenance'],
    ['/maintenance?new=silence', 'To act needs the role manager', 'New silence', 'Plan maintenance'],
    ['/hosts', '1 of 1', 'Add hosts', 'Add a host'],
  ]) {
    await page.goto(base + path);
    await settled(page);
    await page.locator('main').getByText(text).first().waitFor();
    await none(...buttons);
    await holds(async () => (await page.locator('dialog[open]').count()) === 0, `${path} asks nils for something`);
  }
  await context.close();
  return faults;
}

/** Managers and owners take incidents; whose a host is and who may see it is the owner's; users are neither's. */
async function actor({ browser, base, password, host, incident }, user) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await page.goto(`${base}/incidents/${incident}`);
  await page.waitForSelector('#incident-title');
  await page.keyboard.press('a');
  await page.waitForSelector('article form input.input');
  await page.keyboard.type(`${user} looks at it`);
  await page.keyboard.press('Enter');
  await page.locator('article').getByText(`“${user} looks at it”`).first().waitFor();
  // What was done can be taken back once it is answered; the page may hear of it earlier.
  await page.getByRole('button', { name: 'Undo' }).first().waitFor();
  await page.keyboard.press('u');
  await page.locator('article .do').getByRole('button', { name: /Acknowledge/ }).waitFor();

  await page.goto(`${base}/hosts/${host}`);
  await settled(page);
  await page.getByRole('button', { name: /^Silence( |$)/ }).first().waitFor();
  const more = page.getByRole('button', { name: 'More actions' });
  if (ROLES[user] === 'owner') {
    await more.click();
    await page.getByRole('button', { name: 'Hand over' }).waitFor();
    await page.getByRole('button', { name: 'Access' }).click();
    await page.getByRole('dialog').getByRole('cell', { name: user, exact: true }).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await holds(async () => (await page.getByRole('link', { name: 'Configuration' }).count()) === 0, 'the configuration is not an owner’s');
  } else await holds(async () => (await more.count()) === 0, 'a manager is offered nothing that is the owner’s');
  await page.goto(`${base}/users`);
  await page.locator('main').getByText('You may not see this').waitFor();
  await context.close();
  return faults;
}
