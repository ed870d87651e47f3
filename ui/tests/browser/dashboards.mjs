// Dashboards: made, arranged by keys and by hand, saved, looked at with another choice, imported, removed and brought back.
import { DESK, PHONE, THEMES, audit, holds, open, settled, signIn } from './browser.mjs';

/** Names of the panels, in their order. */
const order = (page) => page.locator('section.panel').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')));

async function make(page, base) {
  await page.goto(`${base}/dashboards`);
  await settled(page);
  await page.getByRole('button', { name: 'New dashboard' }).click();
  await page.waitForURL(/\/dashboards\/\d+\?edit=1/);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Title', { exact: true }).fill('Of my own');
  await page.getByLabel(/A host, which panels name/).check();
  await page.getByRole('button', { name: 'Take over' }).click();
  await page.getByRole('heading', { level: 1, name: 'Of my own' }).waitFor();
}

/** Adds a panel of a kind, with what is filled in by label. */
async function add(page, kind, fields) {
  await page.getByRole('group', { name: 'Add' }).getByRole('button', { name: kind, exact: true }).click();
  for (const [label, value] of Object.entries(fields)) await page.locator('dialog[open]').getByLabel(label, { exact: true }).fill(value);
  await page.getByRole('button', { name: 'Take over' }).click();
  await page.waitForFunction(() => document.querySelector('dialog[open]') === null);
}

export async function dashboards({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  const host = await page.evaluate(async () => {
    const fleet = await (await fetch('/api/0/fleet')).json();
    // One that measures: some fleets have hosts that are looked at from outside alone.
    for (const name of fleet.name) if ((await (await fetch(`/api/0/hosts/${encodeURIComponent(name)}/metrics`)).json()).items?.some((one) => one.path === 'memory_monitor.percent')) return name;
    return null;
  });
  await make(page, base);

  // A mistake is told before anything is asked of the server.
  await page.getByRole('group', { name: 'Add' }).getByRole('button', { name: 'Chart', exact: true }).click();
  await page.getByRole('button', { name: 'Take over' }).click();
  await page.getByText('Say which series.').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();

  await add(page, 'Value', { 'Title; $host and $tag stand for what is chosen': 'Memory now', 'Series 1': 'memory_monitor.percent' });
  await add(page, 'Chart', { 'Title; $host and $tag stand for what is chosen': 'Memory of $host', 'Series 1': 'memory_monitor.percent' });
  await add(page, 'Text', { 'Title; $host and $tag stand for what is chosen': 'Read me', Text: 'See https://wiki.example.net/x and <b>this</b>' });
  await add(page, 'Hosts', {});
  await holds(async () => (await order(page)).join() === 'Memory now,Memory of $host,Read me,Hosts', async () => `${await order(page)}`);

  // By keys: moved, and sized; each said, each undone.
  await page.getByRole('button', { name: 'Move or size Read me' }).focus();
  await page.keyboard.press('Alt+ArrowLeft');
  await page.getByText('Read me is 2 of 4').waitFor({ state: 'attached' });
  await holds(async () => (await order(page)).join() === 'Memory now,Read me,Memory of $host,Hosts', async () => `moved: ${await order(page)}`);
  await holds(async () => await page.evaluate(() => document.activeElement?.getAttribute('aria-label') === 'Move or size Read me'), 'the focus goes with the panel');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await page.getByText('Read me is 7 columns wide and 1 rows high').waitFor({ state: 'attached' });
  await page.keyboard.press('Control+z');
  await page.keyboard.press('Control+z');
  await holds(async () => (await order(page)).join() === 'Memory now,Memory of $host,Read me,Hosts', async () => `undone: ${await order(page)}`);

  // By hand: the last is dragged to the place of the first.
  const handle = await page.getByRole('button', { name: 'Move or size Hosts' }).boundingBox();
  const first = await page.locator('section.panel').first().boundingBox();
  await page.mouse.move(handle.x + 20, handle.y + 10);
  await page.mouse.down();
  await page.mouse.move(first.x + 60, first.y + 60, { steps: 6 });
  await page.mouse.up();
  await holds(async () => (await order(page))[0] === 'Hosts', async () => `dragged: ${await order(page)}`);

  // Taken away, and back.
  await page.getByRole('button', { name: 'Take Memory now away' }).click();
  await holds(async () => (await order(page)).length === 3, 'one is gone');
  await page.locator('.toasts').getByRole('button', { name: /Undo/ }).click();
  await holds(async () => (await order(page)).length === 4, 'and is back');

  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.waitForURL((url) => !url.searchParams.has('edit'));
  await page.getByRole('link', { name: 'https://wiki.example.net/x' }).waitFor();
  await holds(async () => (await page.locator('section.panel b', { hasText: 'this' }).count()) === 0, 'a text is a text');
  await page.getByText('Choose above what this is about.').first().waitFor();

  // The choice stands in the address: whoever is sent it sees the same.
  await page.getByLabel('Host', { exact: true }).fill(host);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.searchParams.get('host') === host);
  await page.reload();
  await settled(page);
  await page.locator('section.panel .uplot canvas').first().waitFor();
  await holds(async () => (await order(page)).includes(`Memory of ${host}`), async () => `${await order(page)}`);
  await page.locator('.big a', { hasText: '%' }).waitFor();

  // Somebody else has changed it meanwhile: nothing of either is lost unseen.
  const path = new URL(page.url()).pathname;
  await page.goto(`${base}${path}?edit=1`);
  await settled(page);
  await page.evaluate(async (path) => {
    const one = await (await fetch(`/api/0${path}`)).json();
    await fetch(`/api/0${path}`, { method: 'PUT', headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: JSON.stringify({ version: one.version, content: { ...one.content, description: 'theirs' } }) });
  }, path);
  await page.getByRole('button', { name: 'Move or size Read me' }).focus();
  await page.keyboard.press('Alt+ArrowLeft');
  await page.keyboard.press('Control+s');
  await page.getByText(/Somebody else has changed this dashboard/).waitFor();
  page.on('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Show theirs instead' }).click();
  await page.getByText('theirs', { exact: true }).waitFor();

  // Removed, and brought back by the one key for that.
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Remove this dashboard' }).click();
  await page.getByRole('button', { name: 'Remove “Of my own” now' }).click();
  await page.waitForURL(/\/dashboards$/);
  await page.locator('.toasts', { hasText: 'is removed' }).waitFor();
  await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
  await page.keyboard.press('u');
  await page.waitForURL((url) => url.pathname === path);

  // Of Grafana: what does not map is listed before anything is made.
  await page.goto(`${base}/dashboards`);
  await settled(page);
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await page.getByLabel('Or its text').fill('{"schemaVersion": 38, "title": "Nodes", "panels": [{"type": "text", "title": "Hello"}, {"type": "heatmap", "title": "Heat"}]}');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await page.getByText('“Nodes” with 1 panel can be shown.').waitFor();
  await page.getByText(/Heat.*heatmap/).waitFor();
  await page.getByRole('button', { name: 'Make this dashboard' }).click();
  await page.getByRole('heading', { level: 1, name: 'Nodes' }).waitFor();
  await context.close();
  return faults;
}

/** axe on the views of dashboards and on charts with everything beside them: both themes, desk and phone; and no sideways scroll. */
export async function boards({ browser, base, user, password }) {
  const found = [];
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      const { context, page } = await open(browser, { base, theme, viewport, touch: viewport === PHONE, bypassCSP: true });
      await signIn(page, { base, user, password });
      const paths = [['dashboards', '/dashboards'], ['dashboard-edit', '/dashboards/1?edit=1'], ['host-beside', '/hosts/db-03.fra?compare=7d&with=db-01.fra,db-09.sin']];
      if (theme === 'light') paths.push(['dashboard', '/dashboards/1'], ['dashboard-absent', '/dashboards/999']);
      for (const [name, path] of paths) {
        await page.goto(base + path);
        await settled(page);
        await page.waitForTimeout(300);
        const where = `${name} ${theme} ${viewport.width}`;
        await audit(page, where, found);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) found.push(`${where}: ${wide} px too wide`);
        if (name === 'dashboard-edit' && theme === 'dark') {
          await page.getByRole('button', { name: 'Settings' }).click();
          await audit(page, `${where} settings`, found);
          await page.keyboard.press('Escape');
          await page.getByRole('button', { name: /^Change CPU/ }).click();
          await audit(page, `${where} panel`, found);
        }
      }
      await context.close();
    }
  }
  return [...new Set(found)];
}
