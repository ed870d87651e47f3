// An incident that is over: what its page says of why it was opened is of then.
import { check, holds, names, open, settled, signIn } from './browser.mjs';

export async function ended({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  const { incident } = await names(page);
  let more = {};
  await page.route(`**/api/0/incidents/${incident}`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), value: 7, rule: 'above 90 %', unit: '', ...more } });
  });
  const why = async () => {
    await page.goto(`${base}/incidents/${incident}`);
    await settled(page);
    return (await page.locator('article .why').textContent())?.trim() ?? '';
  };
  const now = await why();
  check(/The value is 7\./.test(now), `of one that is open the present value is the reason: ${now}`);
  more = { resolved_at: new Date().toISOString(), said: '97 % used' };
  await holds(async () => /^The check said 97 % used\. The rule says above 90 %\.$/.test(await why()), 'of one that is over it is what was said then');
  more = { ...more, said: null };
  await holds(async () => (await why()) === 'The rule says above 90 %.', 'where that is not known the present value does not stand for it');
  more = { ...more, value: null, rule: '', text: 'all is well' };
  await holds(async () => (await why()) === '', 'nor does the present text');
  await context.close();
  return faults;
}
