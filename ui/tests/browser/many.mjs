// One thing done to many: hosts that are chosen are taken, tagged and removed, incidents that are chosen are taken, and all of it can be undone.
import { holds, look, open, settled, signIn } from './browser.mjs';

/** What the server stores, and the page shows, takes longer than a drawing does. */
const SOON = { timeout: 15_000 };

export async function many({ browser, base, user, password }) {
  const found = [];
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const get = (path) => page.evaluate(async (where) => (await fetch(`/api/0${where}`)).json(), path);
  // The server itself is in no configuration, and cannot be removed.
  const open_ = async () => (await get('/incidents')).items.filter((row) => row.host !== 'self');
  await holds(async () => (await open_()).length > 0, 'there is an incident');
  const { host } = (await open_())[0];
  const toast = page.locator('.toasts');
  const dialog = page.locator('dialog[open]');
  const undo = async (said) => {
    await toast.getByRole('button', { name: 'Undo' }).last().click();
    await toast.getByText(said).last().waitFor(SOON);
  };

  // Hosts, by the keyboard: chosen with X, taken with A.
  await page.goto(`${base}/hosts?q=${encodeURIComponent(host)}`);
  await settled(page);
  await page.locator('[data-row="0"]').focus();
  await page.keyboard.press('x');
  const bar = page.getByRole('toolbar', { name: 'Actions on the selection' });
  await bar.getByText('1 selected').waitFor(SOON);
  await look(page, 'hosts-bulk', found);
  await page.keyboard.press('a');
  await dialog.getByLabel('Comment').fill('the switch');
  await look(page, 'bulk-acknowledge', found);
  await page.keyboard.press('Enter');
  await toast.getByText(/^Acknowledged \d+ incidents?\.$/).waitFor(SOON);
  const taken = async () => (await open_()).filter((row) => row.host === host).map((row) => row.ack?.comment ?? null);
  await holds(async () => (await taken()).every((comment) => comment === 'the switch'), async () => `all of it is taken: ${await taken()}`);
  await undo(/^Taken back/);
  await holds(async () => (await taken()).every((comment) => comment === null), 'it is taken back');

  const tags = async () => (await get(`/hosts/${encodeURIComponent(host)}`)).tags;
  await bar.getByRole('button', { name: 'Tag' }).click();
  await dialog.getByRole('button', { name: 'Tag', exact: true }).click();
  await dialog.getByText('Say which tag.').waitFor();
  await dialog.getByLabel('Tag').fill('rack:r7');
  await page.keyboard.press('Enter');
  await toast.getByText('Tagged 1 host rack:r7.').waitFor(SOON);
  await holds(async () => (await tags()).includes('rack:r7'), async () => `the host has the tag: ${await tags()}`);
  await undo(/^The tag has been taken away/);
  await holds(async () => !(await tags()).includes('rack:r7'), 'the tag is gone');

  await bar.getByRole('button', { name: 'Remove' }).click();
  await dialog.getByText(host).waitFor();
  await look(page, 'bulk-remove', found);
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
  await toast.getByText('Removed 1 host.').waitFor(SOON);
  await undo('1 host is back.');
  await holds(async () => (await get('/hosts')).items.some((one) => one.name === host), 'the host is back');
  // Its checks begin anew.
  for (const end = Date.now() + 60_000; Date.now() < end && (await open_()).length === 0; ) await page.waitForTimeout(200);

  // Incidents: what is chosen with X is taken as one, and what nobody has chosen is not.
  await page.goto(`${base}/incidents`);
  await settled(page);
  await page.locator('[data-incident]').first().waitFor({ timeout: 60_000 });
  const first = page.locator('[data-incident]').first();
  const id = await first.getAttribute('data-incident');
  await first.focus();
  await page.keyboard.press('x');
  await page.getByRole('toolbar', { name: 'Actions on the chosen incidents' }).getByText('1 selected').waitFor();
  await look(page, 'incidents-bulk', found);
  await page.keyboard.press('a');
  await dialog.getByLabel('Comment').fill('the other switch');
  await page.keyboard.press('Enter');
  await toast.getByText('Acknowledged 1 incident.').waitFor(SOON);
  await holds(async () => (await get(`/incidents/${id}`)).ack?.comment === 'the other switch', 'the chosen incident is taken');
  await undo(/^Taken back/);
  await context.close();
  return [...faults, ...new Set(found)];
}
