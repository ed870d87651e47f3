// The page with the keyboard alone.
import { holds, open, settled, signIn } from './browser.mjs';

export async function keyboard({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await settled(page);
  const active = (what) => page.evaluate(what);

  await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
  await page.keyboard.press('Tab');
  await holds(async () => (await active(() => document.activeElement?.className)) !== null && (await active(() => document.activeElement?.classList.contains('skip'))), 'the first Tab is the skip link');
  await page.keyboard.press('Enter');
  await holds(async () => await active(() => document.activeElement?.id === 'main'), 'the skip link leads to the content');

  if ((await page.locator('[data-incident]').count()) > 1) {
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await holds(async () => (await active(() => [...document.querySelectorAll('[data-incident]')].indexOf(document.activeElement))) === 1, 'J moves the focus along the problems');
    await page.keyboard.press('k');
    await holds(async () => (await active(() => [...document.querySelectorAll('[data-incident]')].indexOf(document.activeElement))) === 0, 'K moves it back');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/incidents\/\d+/);
    await page.goBack();
    await settled(page);
  }

  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog[open] [role=combobox]');
  await holds(async () => await active(() => document.activeElement?.getAttribute('role') === 'combobox'), 'the palette takes the focus');
  await page.keyboard.type('settings');
  await page.waitForFunction(() => document.querySelector('[role=option][aria-selected=true]')?.textContent?.includes('Settings'));
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/settings$/);
  await holds(async () => (await page.locator('dialog[open]').count()) === 0, 'the palette has closed');

  for (const [letter, path] of [['o', '/'], ['h', '/hosts'], ['c', '/checks'], ['i', '/incidents'], ['m', '/maintenance'], ['n', '/notifications'], ['a', '/agents'], ['s', '/settings'], ['j', '/journal']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(letter);
    await page.waitForFunction((wanted) => location.pathname === wanted, path);
  }

  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open] dl');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog[open]') === null);

  const before = await active(() => document.documentElement.dataset.theme);
  await page.keyboard.press('d');
  await holds(async () => (await active(() => document.documentElement.dataset.theme)) !== before, 'D changes the theme');
  await holds(async () => (await context.cookies()).some((cookie) => cookie.name === 'theme' && cookie.value !== before), 'the theme is kept in a cookie');
  await page.keyboard.press('d');

  await page.keyboard.press('p');
  await page.waitForFunction(() => document.querySelector('.badge')?.classList.contains('paused'));
  await page.keyboard.press('p');
  await page.waitForFunction(() => !document.querySelector('.badge')?.classList.contains('paused'));

  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await page.waitForSelector('[data-row="0"]');
  const rows = Number(await page.getAttribute('[role=grid]', 'aria-rowcount')) - 1;
  const last = Math.min(40, rows - 1);
  for (let step = 0; step <= last; step += 1) {
    await page.keyboard.press('j');
    await page.waitForFunction((row) => document.activeElement?.getAttribute('data-row') === String(row), step);
  }
  await page.keyboard.press('x');
  await holds(async () => (await page.locator('[role=row][aria-selected=true]').count()) === 1, 'X selects the row');
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await holds(async () => await active(() => document.activeElement?.id === 'host-filter'), 'the slash leads to the filter');
  await page.keyboard.type('zzz-no-such');
  await page.waitForFunction(() => /No host matches/.test(document.querySelector('main')?.textContent ?? ''));
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-row="0"]');

  await context.close();
  return faults;
}
