// Second factors against the real server: an app, its codes and recovery codes, and a passkey that Chromium holds itself.
import { createHmac } from 'node:crypto';
import { check, open, settled, signIn, violations } from './browser.mjs';

const WHO = { name: 'tom', password: 'battery staple horse' };

/** The code that an app shows `ahead` steps from now. */
function code(secret, ahead = 0) {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const tag = createHmac('sha1', key).update(step).digest();
  const at = tag[19] & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export async function factors({ browser, base, user, password }) {
  // An administrator makes somebody whose account is then guarded.
  const first = await open(browser, { base });
  await signIn(first.page, { base, user, password });
  const made = await first.page.evaluate(async (body) => {
    const headers = { 'content-type': 'application/json', 'x-hark-csrf': '1' };
    await fetch(`/api/0/users/${body.name}`, { method: 'DELETE', headers });
    return (await fetch('/api/0/users', { method: 'POST', headers, body: JSON.stringify(body) })).status;
  }, WHO);
  check(made === 200, `the user was not made: ${made}`);
  await first.context.close();

  // Keys are given to pages with a name.
  const named = base.replace('127.0.0.1', 'localhost');
  // Only to put axe into the page; the policy itself is tested by every other run.
  const { context, page, faults } = await open(browser, { base: named, bypassCSP: true });
  const client = await context.newCDPSession(page);
  await client.send('WebAuthn.enable');
  await client.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const out = async () => {
    await page.evaluate(() => fetch('/api/0/auth/logout', { method: 'POST', headers: { 'x-hark-csrf': '1' } }));
    await page.goto(named);
    await page.waitForSelector('#login-name');
  };
  const byPassword = async () => {
    await page.fill('#login-name', WHO.name);
    await page.fill('#login-password', WHO.password);
    await page.keyboard.press('Enter');
  };
  const inside = () => page.locator('#main h1').first().waitFor();
  const confirm = async () => {
    await page.fill('dialog[open] #factor-password', WHO.password);
    await page.keyboard.press('Enter');
  };

  // An app: the password, the drawing, a wrong code, the right one, and codes to keep.
  await signIn(page, { base: named, user: WHO.name, password: WHO.password });
  await page.goto(`${named}/settings`);
  await settled(page);
  const card = page.locator('#second-factor');
  await card.getByRole('button', { name: 'Set up an app' }).click();
  await page.fill('dialog[open] #factor-password', 'wrong horse');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] [role=alert]');
  await confirm();
  await page.getByRole('img', { name: 'QR code with the secret for an app' }).waitFor();
  faults.push(...(await violations(page, 'the drawing')));
  const secret = (await page.locator('dialog[open] code').innerText()).trim();
  await page.fill('#factor-code', '000000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] [role=alert]');
  await page.fill('#factor-code', code(secret, -1));
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] .codes li');
  faults.push(...(await violations(page, 'the recovery codes')));
  const codes = await page.locator('dialog[open] .codes li').allInnerTexts();
  check(codes.length === 10, `ten recovery codes: ${codes.length}`);
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await card.getByText('10 recovery codes are left').waitFor();
  faults.push(...(await violations(page, 'settings with a second factor')));

  // The second step of a log-in.
  await out();
  faults.push(...(await violations(page, 'sign in')));
  await byPassword();
  await page.waitForSelector('#login-code');
  faults.push(...(await violations(page, 'the second step')));
  await page.fill('#login-code', '000000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=alert]');
  await page.fill('#login-code', code(secret));
  await page.keyboard.press('Enter');
  await inside();
  await out();
  await byPassword();
  await page.waitForSelector('#login-code');
  await page.fill('#login-code', codes[0].toUpperCase());
  await page.keyboard.press('Enter');
  await inside();

  // A passkey replaces both.
  await page.goto(`${named}/settings`);
  await card.getByText('9 recovery codes are left').waitFor();
  await card.getByRole('button', { name: 'Add a passkey' }).click();
  await page.fill('dialog[open] #factor-name', 'laptop');
  await confirm();
  await card.getByText('laptop').waitFor();
  await out();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await inside();
  await page.goto(`${named}/settings`);
  await settled(page);
  await card.getByText(/localhost, used/).waitFor();

  // And it can be taken away.
  await card.getByRole('button', { name: 'Remove laptop' }).click();
  await confirm();
  await card.getByText('No passkey').waitFor();
  await out();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.locator('[role=alert]', { hasText: 'does not know the passkey' }).waitFor();
  if (process.env.HARK_SHOTS) await page.screenshot({ path: `${process.env.HARK_SHOTS}/passkey.png` });
  await context.close();
  return faults;
}
