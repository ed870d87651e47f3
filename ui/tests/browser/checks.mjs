// The checks of a host: what each site says as a list, and a look now where the server or its sites look, and nowhere else.
import { check, holds, open, settled, signIn } from './browser.mjs';

const HOST = 'db-03.fra';

export async function checks({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  const asked = [];
  page.on('request', (request) => request.url().includes('/look') && asked.push(request.url()));
  await page.goto(`${base}/hosts/${HOST}?tab=checks`);
  await settled(page);
  const table = page.locator('table').first();
  await table.waitFor();

  // Four sites: those that count come first, the bad one before the others.
  const sites = table.getByRole('list', { name: 'What each site says of ssh' }).getByRole('listitem');
  const said = await sites.allInnerTexts();
  check(said.length === 4, `four sites are listed: ${said.length}`);
  check(/fra1[^]*timed out/.test(said[0] ?? ''), `the site that sees it bad is first: ${said[0]}`);
  check(said.some((text) => /this server/.test(text)), 'the server is one of them, by a word and not its key');
  check(/sin1[^]*does not count/.test(said[3] ?? '') && !/does not count/.test(said[0] ?? ''), `who does not count is last: ${said[3]}`);
  await holds(async () => (await table.getByRole('list').count()) === 1, 'checks without sites have no list');
  await holds(async () => (await sites.first().getByRole('img', { name: 'Critical' }).count()) === 1, 'its state has a name and not only a colour');

  // What the agent measures by itself cannot be looked at, and nothing is asked to find that out.
  const look = (name) => page.getByRole('button', { name: `Look now: ${name}`, exact: true });
  await holds(async () => (await look('ssh').count()) === 1 && (await look('postgres').count()) === 1, 'what is looked at from outside has the button');
  await holds(async () => (await page.getByRole('button', { name: /^Look now/ }).count()) === 2, 'and nothing else has');
  check(asked.length === 0, 'nobody was asked for that');
  await look('ssh').click();
  await page.locator('.toasts', { hasText: 'ssh is being looked at.' }).waitFor();
  check(asked.length === 1 && /check=ssh$/.test(asked[0]), `one look was ordered: ${asked}`);
  await context.close();
  return faults;
}
