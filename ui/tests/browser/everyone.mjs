// Every view by everybody who has a role: it opens, says what it is, asks for nothing that is refused, and fits the window. Each role looks in another
// theme or at another width, so that together they see each view in all of them; axe looks with the two who are offered least and most.
import { audit, check, DESK, holds, names, open, PHONE, settled, signIn } from './browser.mjs';
import { paths } from './looks.mjs';

/** Who looks, and how. Administrators are owners everywhere. */
const WHO = [
  { name: 'mon', role: 'monitor', theme: 'dark', viewport: PHONE, isAudited: true },
  { name: 'man', role: 'manager', theme: 'light', viewport: PHONE, isAudited: false },
  { name: 'own', role: 'owner', theme: 'dark', viewport: DESK, isAudited: false },
  { name: null, role: 'admin', theme: 'light', viewport: DESK, isAudited: true },
];

/** Views that are of no use to a role, with what stands there instead. */
const CLOSED = ['users', 'configuration', 'configuration-history'];

/** Views beside those that are measured for their looks. */
const FURTHER = [
  ['host-events', (known) => `/hosts/${known.host}?tab=events`],
  ['incidents-all', () => '/incidents?view=all'],
  ['dashboards', () => '/dashboards'],
  ['configuration', () => '/settings/configuration/hosts'],
  ['configuration-history', () => '/settings/configuration/history'],
];

export async function everyone({ browser, base, user, password }) {
  const found = [];
  const admin = await open(browser, { base });
  await signIn(admin.page, { base, user, password });
  await settled(admin.page);
  let known = null;
  await holds(async () => (known = await names(admin.page)).incident !== null, 'there is an incident to look at');
  const messages = () => admin.page.evaluate(async () => (await (await fetch('/api/0/deliveries?limit=1')).json()).items);
  let message = null;
  await holds(async () => (message = (await messages())[0]?.id ?? null) !== null, 'somebody was told of it');
  for (const { name, role } of WHO) {
    if (name === null) continue;
    const status = await admin.page.evaluate(
      async (body) => (await fetch('/api/0/users', { method: 'POST', headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: JSON.stringify(body) })).status,
      { name, full_name: name, password, roles: { [known.host]: role } },
    );
    check(status < 300, `${name} is made: ${status}`);
  }
  await admin.context.close();

  const seen = paths(known).map(([name, path]) => [name, name === 'notifications-message' ? `/notifications?message=${message}` : path]);
  const views = [...seen, ...FURTHER.map(([name, path]) => [name, path(known)])];
  for (const { name, role, theme, viewport, isAudited } of WHO) {
    const began = Date.now();
    const { context, page, faults } = await open(browser, { base, theme, viewport, touch: viewport === PHONE, bypassCSP: true });
    await signIn(page, { base, user: name ?? user, password });
    for (const [view, path] of views) {
      const as = `${view} as ${role}`;
      await page.goto(base + path);
      await settled(page);
      const heads = await page.locator('h1:visible, article h2:visible').allInnerTexts();
      if (heads.every((text) => text.trim() === '')) found.push(`${as} has no heading`);
      if (view !== 'missing' && heads.some((text) => /^There is no|^No host called/.test(text))) found.push(`${as} is not there: ${heads.join()}`);
      const closed = await page.locator('main').getByText('You may not see this').count();
      if (closed > 0 !== (role !== 'admin' && CLOSED.includes(view))) found.push(`${as} ${closed > 0 ? 'is closed' : 'is open'}`);
      if ((await page.getByRole('button', { name: /^Try again/ }).count()) > 0) found.push(`${as} could not be loaded: ${(await page.locator('[role=alert]').allInnerTexts()).join()}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) found.push(`${as} is ${over} px wider than its window`);
      if (isAudited) await audit(page, as, found);
    }
    found.push(...faults.map((fault) => `${role}: ${fault}`));
    await context.close();
    console.log(`  ${views.length} views as ${role}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
  return [...new Set(found)];
}
