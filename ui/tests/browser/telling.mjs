// Who is told: the log of deliveries with its filters, one message with what was asked and answered, trying it at once, who is
// on call, and who would be told of something that has not happened.
import { check, holds, open, settled, signIn } from './browser.mjs';

export async function telling({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await settled(page);
  await page.goto(`${base}/notifications`);
  await page.waitForSelector('.log tbody tr');

  // Who is on call, now and next.
  const calls = await page.textContent('section[aria-labelledby=on-call]');
  check(/anna/.test(calls) && /then ben/.test(calls), 'who is on call now and next stands there');
  check(/nobody/.test(calls), 'a gap in a rota is named');

  // The filter is in the address, and what does not fit goes.
  await page.fill('.filters input >> nth=1', 'ops-sms');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('receiver') === 'ops-sms');
  await page.waitForFunction(() => [...document.querySelectorAll('.log tbody tr')].every((row) => row.textContent?.includes('ops-sms')));
  await page.selectOption('.filters select', 'week');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('since') === 'week');

  // A message with its tries; the dialog is an address of its own.
  await page.locator('.log tbody tr a.link').first().click();
  await page.waitForSelector('dialog[open] ol li');
  await holds(async () => new URL(page.url()).searchParams.get('receiver') === 'ops-sms', 'the filter stays behind the message');
  const told = await page.textContent('dialog[open]');
  check(/Try 5 at/.test(told) && /given up/.test(told), 'each try has its outcome');
  check(/POST https:\/\/gateway\.example\.net\/…/.test(told) && /authorization: …/.test(told), 'what was asked stands there, without secrets');
  check(/502/.test(told) && /Bad Gateway/.test(told), 'so does what was answered');
  await holds(async () => (await page.locator('dialog[open] button', { hasText: 'Try now' }).count()) === 0, 'what is given up does not wait');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !new URL(location.href).searchParams.has('message'));

  // One that waits goes at once when somebody asks.
  await page.goto(`${base}/notifications?state=retry`);
  await page.locator('.log tbody tr a.link').first().click();
  await page.locator('dialog[open] button', { hasText: 'Try now' }).click();
  await page.waitForFunction(() => /It is tried now/.test(document.querySelector('dialog[open]')?.textContent ?? ''));
  await page.waitForFunction(() => /delivered/.test(document.querySelector('dialog[open] ol')?.textContent ?? ''), undefined, { timeout: 10_000 });
  await page.keyboard.press('Escape');

  // Who would be told, when, by what, and why.
  await page.goto(`${base}/notifications`);
  const form = page.locator('form', { hasText: 'Severity' });
  await form.locator('button').click();
  await page.waitForFunction(() => /Which host/.test(document.querySelector('form [role=alert]')?.textContent ?? ''));
  await form.getByLabel('Host').fill('no-such-host');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /no host called no-such-host/.test(document.querySelector('form [role=alert]')?.textContent ?? ''));
  await form.getByLabel('Host').fill('db-03.fra');
  await page.keyboard.press('Enter');
  const course = page.getByRole('region', { name: 'What would be told, in order' });
  await course.locator('tbody tr').first().waitFor();
  const said = await course.textContent();
  check(/ops-mail/.test(said) && /lead/.test(said) && /reminder/.test(said), 'the course names receivers and kinds');
  check(/kept back: hours/.test(said) && /outside the hours of ida/.test(said), 'what would be kept back says why');
  await holds(async () => (await page.locator('.routes li.hit').count()) === 1, 'the route that leads there is marked');
  await holds(async () => new URL(page.url()).searchParams.get('host') === 'db-03.fra', 'the question is in the address');

  // Sent on, the address asks again by itself.
  await page.goto(page.url());
  await page.getByRole('region', { name: 'What would be told, in order' }).locator('tbody tr').first().waitFor();
  await context.close();
  return faults;
}
