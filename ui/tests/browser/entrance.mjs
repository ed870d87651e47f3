// The log-in page: those who vouch for users as buttons, and what it says when one of them does not.
import { audit, check, holds, open } from './browser.mjs';

const PROVIDERS = { providers: [{ label: 'the company account', path: '/oidc/work/login' }, { label: 'Home <b>', path: '/oidc/home/login' }] };

/** At a provider, back from it in vain, and at a directory that does not answer. */
export async function entrance({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base, bypassCSP: true });
  await page.route('**/api/0/auth/providers', (route) => route.fulfill({ json: PROVIDERS }));
  await page.goto(`${base}/hosts?q=db`);
  const at = (label) => page.getByRole('link', { name: `Sign in with ${label}` });
  await at('the company account').waitFor();
  const place = await at('the company account').getAttribute('href');
  check(place === `/oidc/work/login?next=${encodeURIComponent('/hosts?q=db')}`, `it leads to the provider and back: ${place}`);
  await holds(async () => (await at('Home <b>').count()) === 1, 'labels are text');
  await audit(page, 'log-in page with providers', faults);

  // Keyboard alone: from the form to the first provider, which is asked.
  const asked = page.waitForRequest('**/oidc/work/login?*');
  await page.route('**/oidc/work/login?*', (route) => route.fulfill({ status: 303, headers: { location: '/?refused=denied' } }));
  await at('the company account').focus();
  await page.keyboard.press('Enter');
  await asked;
  await page.waitForSelector('#login-wrong');
  await holds(async () => (await page.textContent('#login-wrong')) === 'You were not signed in there.', 'it says why one is back');
  await holds(async () => !new URL(page.url()).searchParams.has('refused'), 'and says it once');

  await page.route('**/api/0/auth/login', (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', json: { type: '/problems/directory-away', title: 'The directory does not answer', status: 503, detail: 'x' } }),
  );
  await page.fill('#login-name', user);
  await page.fill('#login-password', password);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#login-wrong')?.textContent?.includes('directory'));
  await page.unroute('**/api/0/auth/login');
  await page.fill('#login-password', password);
  await page.keyboard.press('Enter');
  await page.waitForSelector('nav');
  await context.close();
  // What the browser writes about answers that are failures is what this test is about.
  return faults.filter((text) => !/503|401/.test(text));
}
