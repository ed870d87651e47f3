// The configuration in the page: a host and a check are made, tried, changed and undone; what a file declares is shown only. axe
// looks at every state of it: dark on the desk, light on the phone.
import { check, holds, look, open, settled, signIn } from './browser.mjs';

const TEXT = 'main';

export async function configuration({ browser, base, user, password }) {
  const found = [];
  // Only to put axe into the page; the policy itself is tested by every other run.
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  const says = (pattern) => page.waitForFunction(([where, source]) => new RegExp(source).test(document.querySelector(where)?.textContent ?? ''), [TEXT, pattern.source]);
  await signIn(page, { base, user, password });

  // Where nobody would be told, the first screen and the page of notifications say so and lead to the form of a receiver.
  for (const [where, link] of [['/', 'Set up'], ['/notifications', 'Add a receiver']]) {
    await page.goto(`${base}${where}`);
    await says(/Nobody (would be|is) told/);
    await page.getByRole('link', { name: link }).click();
    await page.waitForURL(`${base}/settings/configuration/receivers?new=1`);
    await page.getByRole('heading', { name: 'New: Receivers' }).waitFor();
  }

  // From the hosts to an empty form, by keyboard alone.
  await page.goto(`${base}/hosts`);
  await settled(page);
  await page.getByRole('link', { name: 'Add a host' }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Name (needed)').focus();
  await page.keyboard.type('made.example');
  await page.getByLabel('address', { exact: true }).fill('127.0.0.1');
  await page.getByLabel('threshold_config', { exact: true }).fill('nowhere');
  await look(page, 'config-form', found);
  await page.getByRole('button', { name: 'Check and compare' }).focus();
  await page.keyboard.press('Enter');
  await says(/cannot be saved yet/);
  await holds(async () => (await page.getByLabel('threshold_config', { exact: true }).getAttribute('aria-invalid')) === 'true', 'the mistake stands at its field');
  await look(page, 'config-mistake', found);
  await page.getByLabel('threshold_config', { exact: true }).fill('');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('heading', { name: 'Saving made.example changes this' }).waitFor();
  const diff = await page.getByRole('group', { name: 'What would change' }).textContent();
  check(/new:\+\s+made\.example:/.test(diff.replaceAll('"', '')), `the difference stands there before it is saved: ${diff}`);
  await look(page, 'config-review', found);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.waitForURL(`${base}/settings/configuration/hosts`);
  await page.getByRole('link', { name: /made\.example/ }).waitFor();

  // A check from the host's page, tried before it is saved: hark's own port answers.
  const port = new URL(base).port;
  await page.goto(`${base}/settings/configuration/checks?new=1&host=made.example`);
  await page.getByLabel('Name (needed)').fill('door');
  await page.getByLabel('Type (needed)').selectOption('tcp');
  const port_field = page.getByLabel('port', { exact: false }).first();
  if (!(await port_field.isVisible())) await page.getByText('More settings of tcp').click();
  await port_field.fill(port);
  await holds(async () => (await page.getByLabel(/^host/).first().inputValue()) === 'made.example', 'the host is filled in');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await says(/The test went well/);
  await look(page, 'config-check', found);
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: /door/ }).waitFor();
  await look(page, 'config-list', found);

  // A host that the server knows is offered and needs no file; one that nobody knows is doubted.
  const own = await page.evaluate(async () => (await (await fetch('/api/0/fleet')).json()).name[0]);
  await page.goto(`${base}/settings/configuration/checks?new=1`);
  await page.getByLabel('Name (needed)').fill('known');
  await page.getByLabel('Type (needed)').selectOption('tcp');
  await page.getByLabel(/^port/).first().fill(port);
  await page.waitForFunction((name) => [...document.querySelectorAll('datalist option')].some((option) => option.value === name), own);
  await page.getByLabel('A host that is known').fill(own);
  await page.keyboard.press('Enter');
  const hosts = page.getByLabel(/^host/).first();
  await holds(async () => (await hosts.inputValue()) === own, 'the host stands in the list');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('heading', { name: /Saving known/ }).waitFor();
  await holds(async () => !/no file declares/.test(await page.textContent('main')), 'what the server knows need not be declared');
  // The field grows while it is typed in: the first press of the button counts, though the field is left by it.
  await hosts.focus();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('\nnobody-1.example\nnobody-2.example\nnobody-3.example');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await says(/no file declares the host .nobody-3\.example/);
  await holds(async () => !(await page.textContent('main')).includes(`declares the host \`${own}\``), 'only those that nobody knows are doubted');

  // What a file declares is shown with its place.
  await page.goto(`${base}/settings/configuration/thresholds/memory_monitor`);
  await says(/Declared in .*hark\.yaml, line \d+/);
  await holds(async () => (await page.getByRole('button', { name: 'Check and compare' }).count()) === 0, 'and cannot be changed here');
  await look(page, 'config-declared', found);

  // A secret is never shown, and stays.
  await page.goto(`${base}/settings/configuration/receivers?new=1`);
  await page.getByLabel('Name (needed)').fill('hook');
  await page.getByLabel('Type (needed)').selectOption('webhook');
  await page.getByLabel(/^url/).first().fill('http://127.0.0.1:9/s3cret');
  const typed = page.getByLabel(/^url/).first();
  await holds(async () => (await typed.getAttribute('type')) === 'password', 'what is typed is hidden from who looks over the shoulder');
  await page.getByRole('button', { name: 'Show url' }).click();
  await holds(async () => (await typed.getAttribute('type')) === 'text', 'and shown to who asks');
  await typed.fill('');
  await typed.fill('http://127.0.0.1:9/s3cret');
  await holds(async () => (await typed.getAttribute('type')) === 'password', 'another one is hidden again');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('heading', { name: /Saving hook/ }).waitFor();
  await holds(async () => !(await page.content()).includes('s3cret'), 'the difference has stars for it');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: /hook/ }).click();
  await page.getByLabel(/^url/).first().waitFor();
  await holds(async () => (await page.getByLabel(/^url/).first().getAttribute('placeholder')) === 'There is one. Type to replace it.', 'that there is one is said');
  await holds(async () => (await page.getByLabel(/^url/).first().inputValue()) === '', 'and no more');
  await look(page, 'config-secret', found);

  // Removing is looked at first, and the history takes it back.
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('button', { name: 'Remove now' }).click();
  await says(/Nothing here yet/);
  await page.getByRole('link', { name: 'History' }).click();
  await says(/receivers\/hook taken away/);
  await page.getByRole('button', { name: 'What changed' }).nth(1).click();
  await page.getByRole('heading', { name: 'Going back would change this now' }).waitFor();
  await look(page, 'config-history', found);
  await page.getByRole('button', { name: /Go back to version/ }).click();
  await says(/back to version/);
  await page.goto(`${base}/settings/configuration/receivers`);
  await page.getByRole('link', { name: /hook/ }).waitFor();
  await context.close();
  return [...faults, ...new Set(found)];
}
