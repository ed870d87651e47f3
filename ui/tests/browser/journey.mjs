// From the first start to a silence: set up, overview, the charts of a host, an incident acknowledged, undone and silenced.
import { check, holds, names, open, settled, signIn } from './browser.mjs';

export async function journey({ browser, base, user, password, code, wait }) {
  const { context, page, faults } = await open(browser, { base });

  // Set-up where it is needed, sign-in otherwise.
  const setup = await (await context.request.get(`${base}/api/0/setup`)).json();
  if (setup.needed) {
    check(code, 'the server wants to be set up: give its code in HARK_CODE');
    await page.goto(`${base}/setup?code=${encodeURIComponent(code)}`);
    await page.waitForSelector('#setup-code');
    await holds(async () => (await page.inputValue('#setup-code')) === code, 'the code of the link stands in the field');
    await page.fill('#setup-user', user);
    await page.fill('#setup-name', 'Mira Kvale');
    await page.fill('#setup-password', 'short');
    await page.click('form .primary');
    await page.waitForSelector('#setup-password[aria-invalid=true]');
    await page.fill('#setup-password', password);
    await page.click('form .primary');
    await page.locator('nav.rail').waitFor();
    await holds(async () => new URL(page.url()).search === '', 'the used code must not stay in the address');
  } else {
    await page.goto(base);
    await page.waitForSelector('#login-name');
    await page.fill('#login-name', user);
    await page.fill('#login-password', `${password} wrong`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await holds(async () => (await page.textContent('[role=alert]')).includes('Name or password'), 'one text for every wrong sign-in');
    await page.fill('#login-password', password);
    await page.keyboard.press('Enter');
    await page.locator('nav.rail').waitFor();
  }
  await settled(page);
  await page.waitForFunction(() => document.querySelector('.badge .word')?.textContent?.trim() === 'Live', undefined, { timeout: 10_000 });

  // The overview says what is wrong.
  await page.waitForSelector('[data-incident]', { timeout: wait * 1000 });
  const known = await names(page);
  await holds(async () => /need|healthy/.test(await page.textContent('main h1')), 'the verdict is a sentence');
  await holds(async () => /^\(\d+\) /.test(await page.title()), 'the tab shows how many hosts are in need');
  await holds(async () => (await page.locator('[role=group] button[aria-pressed]').count()) >= 5, 'the ledger filters');

  // From across the room, and back.
  await page.keyboard.press('w');
  await page.waitForSelector('main.wall');
  await holds(async () => (await page.locator('nav.rail').count()) === 0, 'the wall has nothing beside it');
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-incident]');

  // The charts of a host: of the first in need that measures anything (the server's own troubles have no series).
  const measured = await page.evaluate(async () => {
    const hosts = [...document.querySelectorAll('[data-incident] a.host')].map((link) => link.textContent ?? '');
    for (const host of hosts) {
      const answer = await (await fetch(`/api/0/hosts/${encodeURIComponent(host)}/metrics`)).json();
      if (answer.items?.length > 0) return host;
    }
    return null;
  });
  check(measured !== null, 'a host in need has series');
  await page.locator('[data-incident] a.host', { hasText: measured }).first().click();
  await settled(page);
  await page.waitForSelector('.uplot canvas', { timeout: 15_000 });
  const charts = await page.locator('.uplot').count();
  check(charts >= 1, 'a host has charts');
  await page.waitForFunction(() => !document.querySelector('.plot .empty') || document.querySelectorAll('.plot').length > document.querySelectorAll('.plot .empty').length, undefined, { timeout: 15_000 });
  const over = page.locator('.u-over').first();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 34, { steps: 6 });
  await page.mouse.up();
  await page.waitForFunction(() => new URL(location.href).searchParams.has('from'));
  await page.keyboard.press('0');
  await page.waitForFunction(() => !new URL(location.href).searchParams.has('from'));
  await page.keyboard.press('1');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('range') === '1h');
  await page.locator('.plot').first().focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('t');
  await page.waitForSelector('figure table');
  await page.keyboard.press(']');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('tab') === 'metrics');

  // An incident: why, whom, and taken with two keys.
  await page.goto(`${base}/incidents/${known.incident}`);
  await page.waitForSelector('#incident-title');
  await page.waitForFunction(() => /Why was/.test(document.querySelector('article')?.textContent ?? ''));
  await page.waitForSelector('.explain li, .right-part');
  await page.keyboard.press('a');
  await page.waitForSelector('article form input.input');
  await page.keyboard.press('Enter');
  await page.waitForSelector('article [role=alert]');
  await page.keyboard.type('looking at it');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.toast');
  await page.waitForFunction(() => /has acknowledged: “looking at it”/.test(document.querySelector('article')?.textContent ?? ''));
  const stored = await page.evaluate(async (id) => (await (await fetch(`/api/0/incidents/${id}`)).json()).ack, known.incident);
  check(stored?.comment === 'looking at it', 'the acknowledgement is stored on the server');
  await page.keyboard.press('u');
  await page.waitForFunction(() => [...document.querySelectorAll('article .do button')].some((button) => button.textContent?.includes('Acknowledge')));

  // A comment for the next person.
  await page.keyboard.press('c');
  await page.keyboard.type('called the provider');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /called the provider/.test(document.querySelector('.right-part ol')?.textContent ?? ''));
  await page.keyboard.press('Escape');

  // A silence, with its reason, seen in the list, and ended.
  await page.locator('h1').first().click();
  await page.keyboard.press('s');
  await page.waitForSelector('dialog[open] input');
  await page.click('dialog[open] .seg button:nth-child(2)');
  await page.fill('dialog[open] form > .field input', 'known, being replaced');
  await page.click('dialog[open] .primary');
  await page.waitForFunction(() => /is silenced until/.test(document.querySelector('.toasts')?.textContent ?? ''));
  // It is counted and listed as silenced, and the host's page says so.
  await page.goto(`${base}/incidents?view=silenced`);
  await page.waitForSelector(`[data-incident="${known.incident}"]`);
  await page.waitForFunction(() => document.querySelector('.tools-row .seg [aria-pressed=true] .num')?.textContent === '1');
  await page.goto(`${base}/hosts/${known.host}`);
  await page.waitForFunction(() => /Silenced until .* nobody is told/.test(document.querySelector('.reason')?.textContent ?? ''));
  await page.goto(`${base}/maintenance`);
  await page.waitForFunction(() => /known, being replaced/.test(document.querySelector('main table')?.textContent ?? ''));
  const row = page.locator('main tr', { hasText: 'known, being replaced' });
  await row.locator('button', { hasText: 'End' }).click();
  await page.click('dialog[open] .primary');
  await page.waitForFunction(() => !/known, being replaced/.test(document.querySelector('main table')?.textContent ?? ''));

  // What somebody else makes quiet, and ends, is seen without a reload.
  const ask = (method, path, order) =>
    page.evaluate(
      async ([method, path, order]) => {
        const answer = await fetch(`/api/0${path}`, { method, headers: { 'content-type': 'application/json', 'x-hark-csrf': '1' }, body: order && JSON.stringify(order) });
        return answer.ok ? ((await answer.json().catch(() => null))?.id ?? 0) : `${answer.status} ${await answer.text()}`;
      },
      [method, path, order],
    );
  const matcher = { hosts: [known.host], checks: ['nothing-of-this-name'], tags: [], severity: null };
  const other = await ask('POST', '/silences', { matcher, reason: 'somebody else is at it', maintenance: false, until_at: new Date(Date.now() + 3_600_000).toISOString() });
  check(typeof other === 'number', `a silence is made: ${other}`);
  await page.locator('main tr', { hasText: 'somebody else is at it' }).waitFor();
  await ask('DELETE', `/silences/${other}`);
  await page.locator('main tr', { hasText: 'somebody else is at it' }).waitFor({ state: 'detached' });

  // The first screen counts the same, and follows as well.
  await page.goto(base);
  await page.locator('section[aria-labelledby=today] li').first().waitFor();
  const silences = (wanted) => {
    const said = /(\d+) silence/.exec(document.querySelector('section[aria-labelledby=today]')?.textContent ?? '');
    const count = Number(said?.[1] ?? 0);
    return wanted === undefined ? count : count === wanted;
  };
  const before = await page.evaluate(silences);
  const third = await ask('POST', '/silences', { matcher, reason: 'a third one is at it', maintenance: false, until_at: new Date(Date.now() + 3_600_000).toISOString() });
  await page.waitForFunction(silences, before + 1);
  await ask('DELETE', `/silences/${third}`);
  await page.waitForFunction(silences, before);
  await page.goto(`${base}/maintenance`);
  await page.locator('button', { hasText: 'Plan maintenance' }).waitFor();

  // Work that comes again: a wrong word is said, the next times are shown before it is planned, and it is changed and ended.
  await page.keyboard.press('M');
  await page.waitForSelector('dialog[open] #m-hosts');
  await page.fill('#m-hosts', known.host);
  await page.click('dialog[open] .how button:nth-child(3)');
  await page.fill('#m-week', 'xun 02:00-03:00');
  await page.waitForFunction(() => /`xun/.test(document.querySelector('dialog[open] .times')?.textContent ?? ''));
  await page.fill('#m-week', 'daily 02:00-03:00');
  await page.fill('#m-zone', 'UTC');
  await page.waitForFunction(() => document.querySelectorAll('dialog[open] .times li').length === 5);
  await page.click('dialog[open] .primary');
  await page.waitForFunction(() => /so that others know/.test(document.querySelector('dialog[open] [role=alert]')?.textContent ?? ''));
  await page.fill('#m-reason', 'nightly backup');
  await page.click('dialog[open] .primary');
  const planned = page.locator('main tr', { hasText: 'nightly backup' });
  await planned.waitFor();
  if (!/02:00-03:00/.test((await planned.textContent()) ?? '')) throw new Error('the row does not say when it comes again');
  await planned.locator('button', { hasText: 'Change' }).click();
  await page.waitForFunction(() => document.querySelector('dialog[open] #m-week')?.value === 'daily 02:00-03:00');
  await page.fill('#m-week', 'daily 02:00-04:00');
  await page.click('dialog[open] .primary');
  await page.locator('main tr', { hasText: '02:00-04:00' }).locator('button', { hasText: 'End' }).click();
  await page.click('dialog[open] .confirm .primary');
  await page.waitForFunction(() => !/nightly backup/.test(document.querySelector('main table')?.textContent ?? ''));

  // Every other page opens, and the account can leave.
  for (const path of ['/hosts', '/notifications', '/agents', '/journal', '/journal?tab=audit', '/settings', '/more', '/nothing-here', '/hosts/no-such-host']) {
    await page.goto(base + path);
    await settled(page);
  }
  await holds(async () => (await page.textContent('h1')).includes('No host called no-such-host'), 'an unknown host is named');
  await context.close();
  return faults;
}

/** The same first screen on a phone: no sideways movement, the tab bar leads on. */
export async function phone({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base, viewport: { width: 390, height: 844 }, touch: true, theme: 'dark' });
  await signIn(page, { base, user, password });
  await settled(page);
  for (const text of ['Hosts', 'Incidents', 'Maintenance', 'More']) {
    await page.locator('nav.tabs a', { hasText: text }).click();
    await page.waitForFunction((wanted) => document.querySelector('h1')?.textContent?.startsWith(wanted), text);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `${text} is ${wide} px too wide`);
  }
  await context.close();
  return faults;
}
