// Limits in the page: made for everyone, tried on what was measured, saved, and undone; and for a single host.
import { check, holds, look, names, open, settled, signIn } from './browser.mjs';

/** The limit on a metric's value: what is derived from it has limits of its own further down. */
const level = (row, key) => row.getByLabel(key, { exact: true }).first();

export async function limits({ browser, base, user, password }) {
  const found = [];
  // Only to put axe into the page; the policy itself is tested by every other run.
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await signIn(page, { base, user, password });
  const { host } = await names(page);

  // For everyone, by keyboard alone.
  await page.goto(`${base}/settings/configuration/thresholds?new=1`);
  await settled(page);
  await page.getByLabel('Collector (needed)').focus();
  await page.keyboard.type('cpu_monitor');
  await holds(async () => (await page.locator('#object-names option[value=cpu_monitor]').count()) === 1, 'the collectors are offered');
  await page.getByLabel('Metric').focus();
  await page.keyboard.type('cpu_percent');
  await page.keyboard.press('Enter');
  const row = page.getByRole('group', { name: 'cpu_monitor cpu_percent' });
  await holds(async () => (await row.getByRole('textbox').count()) === 2, 'who wants two limits sees two fields');
  await level(row, 'warning').fill('90');
  await level(row, 'critical').fill('80');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByText(/warning must come first/).waitFor();
  await look(page, 'limits-mistake', found);
  await level(row, 'warning').fill('0.01');
  await level(row, 'critical').fill('101');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await page.getByText(/^Now nothing would be critical/).waitFor();
  await page.getByRole('region', { name: 'What the limits would have found' }).getByRole('link', { name: host }).waitFor();
  await look(page, 'limits-tested', found);
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('heading', { name: 'Saving cpu_monitor changes this' }).waitFor();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).waitFor({ state: 'detached' });

  // What is derived from a metric has a form in the same row, and is tried as well: here on a window, and on how fast it
  // moves, which is believed to be nothing after some seconds.
  await page.goto(`${base}/settings/configuration/thresholds?new=1`);
  await settled(page);
  await page.getByLabel('Collector (needed)').fill('cpu_monitor');
  await page.getByLabel('Metric').fill('cpu_percent');
  await page.getByRole('button', { name: 'Add a limit' }).click();
  const derived = page.getByRole('group', { name: 'cpu_monitor cpu_percent' });
  await level(derived, 'warning').fill('0.01');
  const window = derived.getByRole('button', { name: 'Over a while' });
  await holds(async () => (await window.getAttribute('aria-expanded')) === 'false', 'what is not set is closed');
  await window.focus();
  await page.keyboard.press('Enter');
  await holds(async () => (await window.getAttribute('aria-expanded')) === 'true', 'settings open by keyboard');
  await derived.getByLabel('over', { exact: true }).fill('1m');
  await derived.getByLabel('by', { exact: true }).fill('highest');
  await window.press('Enter');
  await derived.getByRole('button', { name: 'Over a while , set' }).waitFor();
  await derived.getByRole('button', { name: 'Time until full' }).click();
  const full = derived.getByRole('group', { name: 'full_in' });
  await full.getByLabel('critical', { exact: true }).fill('4h');
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByText(/`highest` is no way to make one value of many/).waitFor();
  await holds(async () => (await window.getAttribute('aria-expanded')) === 'true', 'what is wrong is open');
  await look(page, 'limits-derived-mistake', found);
  await derived.getByLabel('by', { exact: true }).fill('max');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await page.getByText(/^They look at 2 series of 1 host|2 series of 1 host/).waitFor();
  await look(page, 'limits-derived', found);
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).click();
  await holds(async () => (await full.getByLabel('critical', { exact: true }).inputValue()) === '4h', 'what is set is open');
  await holds(async () => (await derived.getByRole('group', { name: 'growth' }).count()) === 0, 'what is not set is closed');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('button', { name: 'Remove now' }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).waitFor({ state: 'detached' });

  // What rows could not show without losing something is written as YAML, also while somebody begins it anew.
  const written = await page.evaluate(async () => {
    const headers = { 'content-type': 'application/json', 'x-hark-csrf': '1' };
    const value = { 'x-why': 'it was slow', cpu_percent: { critical: 99 } };
    return (await fetch('/api/0/config/objects/thresholds/cpu_monitor', { method: 'PUT', headers, body: JSON.stringify({ value }) })).status;
  });
  check(written < 300, `limits with a remark are taken: ${written}`);
  await page.goto(`${base}/settings/configuration/thresholds/cpu_monitor`);
  await settled(page);
  const text = page.getByRole('textbox', { name: /^cpu_monitor/ });
  await holds(async () => /it was slow/.test(await text.inputValue()), 'nothing is lost');
  await text.focus();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.press('Delete');
  await page.keyboard.press('Enter');
  await page.keyboard.type('cpu_percent: {critical: 98}');
  await holds(async () => (await text.inputValue()) === '\ncpu_percent: {critical: 98}', async () => `the field keeps focus and keys: ${await text.inputValue()}`);
  await page.getByRole('button', { name: 'Check and compare' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).click();
  await holds(async () => (await level(row, 'critical').inputValue()) === '98', 'what rows can show is shown as rows');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('button', { name: 'Remove now' }).click();
  await page.getByRole('link', { name: /cpu_monitor/ }).waitFor({ state: 'detached' });

  // For one host, of which no file knows: from its page.
  await page.goto(`${base}/hosts/${host}`);
  await settled(page);
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('link', { name: 'Configuration' }).click();
  await page.getByText(`There is no ${host} in this section.`).waitFor();
  await page.locator('main').getByRole('link', { name: 'Add', exact: true }).click();
  await holds(async () => (await page.getByLabel('Name (needed)').inputValue()) === host, 'the name is filled in');
  await page.getByLabel('Collector').fill('memory_monitor');
  await page.getByLabel('Metric').fill('percent');
  await page.getByRole('button', { name: 'Add a limit' }).click();
  const own = page.getByRole('group', { name: 'memory_monitor percent' });
  await level(own, 'critical').fill('99');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await page.getByText(/1 series of 1 host/).waitFor();
  await look(page, 'limits-host', found);
  await own.getByRole('button', { name: 'Remove memory_monitor percent' }).click();
  await own.waitFor({ state: 'detached' });
  await holds(async () => (await page.getByRole('button', { name: 'Test', exact: true }).count()) === 0, 'a host without limits has nothing to try');
  // What fails is open with what has changed, what is well is closed; each can be turned.
  await page.goto(`${base}/hosts/${host}?tab=checks`);
  await settled(page);
  const failing = page.getByRole('button', { name: 'memory', exact: true });
  const well = page.getByRole('button', { name: 'host', exact: true });
  await page.getByText(/is critical: .* > /).first().waitFor();
  await holds(async () => (await failing.getAttribute('aria-expanded')) === 'true' && (await well.getAttribute('aria-expanded')) === 'false', 'what fails is open, what is well is not');
  await page.getByText(/changes? (is|are) known/).waitFor();
  await holds(async () => (await page.getByRole('link', { name: 'Values' }).getAttribute('href'))?.includes('charts=memory_monitor.percent'), 'the values are a step away');
  await look(page, 'check-changes', found);
  await well.focus();
  await page.keyboard.press('Enter');
  await holds(async () => (await well.getAttribute('aria-expanded')) === 'true', 'it opens by keyboard');
  await failing.click();
  await holds(async () => (await failing.getAttribute('aria-expanded')) === 'false', 'it closes');
  await holds(async () => /· hark$/.test(await page.title()), async () => `a server without a name is called hark: ${await page.title()}`);
  await context.close();
  return [...faults, ...new Set(found)];
}
