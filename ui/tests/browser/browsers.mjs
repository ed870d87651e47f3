// Notifications in browsers against the real server: turned on in the settings, shown by the page's own worker, opened by a
// click, turned off. What needs the maker's push service is stood in for: the address that it gives, and the bringing of a message.
import { check, holds, open, settled, signIn, violations } from './browser.mjs';

/** A browser's keys as RFC 8291 has them for an example. */
const KEYS = { p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', auth: 'BTBZMqHH6r4Tts7J_aSIgg' };

/** Stands in for the push service: remembers over a reload that it was asked. */
function service(keys) {
  const made = (key) => ({
    endpoint: 'https://push.example.net/of-this-browser',
    options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(JSON.parse(key)).buffer },
    toJSON: () => ({ endpoint: 'https://push.example.net/of-this-browser', keys }),
    unsubscribe: async () => (localStorage.removeItem('test-push'), true),
  });
  PushManager.prototype.subscribe = async function (options) {
    if (options.userVisibleOnly !== true) throw new TypeError('it must show what it is told');
    localStorage.setItem('test-push', JSON.stringify(Array.from(new Uint8Array(options.applicationServerKey))));
    return made(localStorage.getItem('test-push'));
  };
  PushManager.prototype.getSubscription = async function () {
    const key = localStorage.getItem('test-push');
    return key === null ? null : made(key);
  };
}

export async function browsers({ browser, base, user, password }) {
  // The policy of the page holds here: the worker is what it is about.
  const { context, page, faults } = await open(browser, { base });
  await context.grantPermissions(['notifications'], { origin: base });
  await context.addInitScript(service, KEYS);
  await signIn(page, { base, user, password });
  await page.goto(`${base}/settings`);
  await settled(page);
  await holds(async () => (await page.evaluate(() => navigator.serviceWorker.getRegistrations())).length === 0, 'no worker before somebody wants one');
  const card = page.locator('#browsers');
  await card.getByText('In no browser.').waitFor();
  await card.getByLabel('What you call this browser').fill('desk');
  await card.getByRole('button', { name: 'Turn on in this browser' }).click();
  await card.getByText('Notifications are on in this browser.').waitFor();
  await card.getByText('desk (this one)').waitFor();
  await card.getByText('through push.example.net').waitFor();
  await holds(async () => (await card.getByRole('button', { name: 'Turn on in this browser' }).count()) === 0, 'it cannot be turned on twice');
  await card.getByRole('button', { name: 'Send a test message' }).click();
  await card.getByText('A test message is on its way').waitFor();

  const shown = await bring(context, page, [
    { title: 'CRITICAL: db1 - disk', body: 'full', tag: 'incident-7', path: 'incidents/7', at: 1_800_000_000_000, quiet: false, stays: true },
    { title: 'RECOVERED: db1 - disk', body: '', tag: 'incident-7', path: 'incidents/7', at: 1_800_000_060_000, quiet: true, stays: false },
    { title: 'CRITICAL: db1 - disk', body: 'late', tag: 'incident-7', path: 'incidents/7', at: 1_800_000_030_000, quiet: false, stays: true },
    { title: 'Another', body: '', tag: null, path: '//elsewhere.example/x', at: 1_800_000_000_000, quiet: false, stays: false },
  ]);
  check(shown.length === 2, `the end takes the place of the problem: ${JSON.stringify(shown)}`);
  check(shown.some((one) => one.title.startsWith('RECOVERED') && one.silent === true), JSON.stringify(shown));

  await page.reload();
  await card.getByText('desk (this one)').waitFor();
  // The push service gives the browser another address by itself: the server has that one, under the same name, and not the old one.
  const list = () => page.evaluate(async () => (await (await fetch('/api/0/auth/browsers')).json()).browsers);
  const [before] = await list();
  await renewed(context, KEYS, await page.evaluate(async () => (await (await navigator.serviceWorker.ready).pushManager.getSubscription()).endpoint));
  const [after, ...more] = await list();
  check(more.length === 0 && after.name === 'desk' && after.digest !== before.digest, `renewed: ${JSON.stringify([before, after, more])}`);
  await page.reload();
  await card.getByText('desk', { exact: true }).waitFor();
  await card.getByRole('button', { name: 'Remove desk' }).click();
  await card.getByText('In no browser.').waitFor();
  await card.getByRole('button', { name: 'Turn on in this browser' }).waitFor();
  await context.close();

  // What a browser says that cannot, and how the card looks to those who do not see.
  const bare = await open(browser, { base, bypassCSP: true });
  await bare.context.addInitScript(() => delete window.PushManager);
  await signIn(bare.page, { base, user, password });
  await bare.page.goto(`${base}/settings`);
  await settled(bare.page);
  await bare.page.locator('#browsers').getByText('This browser cannot show them.').waitFor();
  faults.push(...bare.faults, ...(await violations(bare.page, 'notifications in browsers')));
  await bare.context.close();
  return faults;
}

/** Has the worker be told that the push service has renewed an address, and waits until it has told the server. */
async function renewed(context, keys, endpoint) {
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
  await worker.evaluate(
    async ({ p256dh, auth, endpoint }) => {
      const told = new Promise((done) => {
        const event = new ExtendableEvent('pushsubscriptionchange');
        event.waitUntil = (over) => over.then(done);
        event.oldSubscription = { endpoint };
        event.newSubscription = { endpoint: `${endpoint}-renewed`, toJSON: () => ({ keys: { p256dh, auth } }) };
        self.dispatchEvent(event);
      });
      await told;
    },
    { ...keys, endpoint },
  );
}

/** Has the worker be brought messages, as the browser brings them, and returns what is shown then. */
async function bring(context, page, messages) {
  const session = await context.newCDPSession(page);
  const registration = new Promise((done) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [found] = registrations.filter((one) => !one.isDeleted);
      if (found) done(found.registrationId);
    });
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await registration;
  const origin = new URL(page.url()).origin;
  for (const message of messages) await session.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data: JSON.stringify(message) });
  return page.evaluate(async (count) => {
    const own = await navigator.serviceWorker.ready;
    for (let left = 100; left > 0; left -= 1) {
      const all = await own.getNotifications();
      const over = all.some((one) => one.title.startsWith('RECOVERED'));
      if (over && all.some((one) => one.title === 'Another')) return all.map(({ title, tag, silent }) => ({ title, tag, silent }));
      await new Promise((done) => setTimeout(done, 100));
    }
    const there = (await own.getNotifications()).map((one) => one.title);
    return [`${count} messages were not shown, but these: ${JSON.stringify(there)}`];
  }, messages.length);
}
