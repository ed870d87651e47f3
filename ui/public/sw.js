// Shows what the server sends while the page is closed, and opens it. It keeps nothing and answers no request: what the page
// shows is always what the server says now.

/** A message as the server writes it; one that cannot be read is still shown: a browser takes the right away from who shows nothing. */
function read(data) {
  try {
    const { title, body = '', tag, path = '', at, quiet = false, stays = false } = data.json();
    return { title: String(title), body: String(body), tag: tag ? String(tag) : '', path: String(path), at: Number(at), quiet: quiet === true, stays: stays === true };
  } catch {
    return { title: 'hark', body: '', tag: '', path: '', at: Date.now(), quiet: false, stays: false };
  }
}

self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** The message before, shown: messages that come together are shown in their order, whichever picture is loaded first. */
let before = Promise.resolve();

self.addEventListener('push', (event) => {
  const message = read(event.data);
  const shown = before.then(() => show(message));
  before = shown.catch(() => undefined);
  event.waitUntil(shown);
});

/** Shows a message, unless a newer one of the same incident stands there: push services do not keep the order of what waited for a browser. */
async function show({ title, body, tag, path, at, quiet, stays }) {
  const same = tag === '' ? [] : await self.registration.getNotifications({ tag });
  if (same.some((one) => one.data?.at > at)) return;
  await self.registration.showNotification(title, {
    body,
    icon: '/icon-192.png',
    badge: '/icon-badge.png',
    timestamp: at,
    silent: quiet,
    requireInteraction: stays,
    data: { path, at },
    // What is said of an incident takes the place of what was said before, and is heard unless it is good news.
    ...(tag === '' ? {} : { tag, renotify: !quiet }),
  });
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  // A path of this page, whatever the message says.
  const path = String(event.notification.data?.path ?? '').replace(/^\/+/, '');
  const url = new URL(`/${path}`, self.registration.scope);
  event.waitUntil(open(url));
});

self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event.oldSubscription, event.newSubscription)));

/**
 * A push service has given this browser another address by itself: the server is told it, and forgets the one before. Where nobody is signed in any
 * more nothing can be told; the page says then that notifications are off.
 */
async function renew(before, after) {
  const headers = { 'content-type': 'application/json', 'x-hark-csrf': '1' };
  const answer = await fetch('/api/0/auth/browsers');
  if (!answer.ok) return;
  const { key, browsers } = await answer.json();
  const made = after ?? (await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  const old = before ? await digest(before.endpoint) : null;
  const known = browsers.find((browser) => browser.digest === old) ?? (old === null && browsers.length === 1 ? browsers[0] : undefined);
  const { keys } = made.toJSON();
  const body = JSON.stringify({ name: known?.name ?? 'hark', endpoint: made.endpoint, p256dh: keys.p256dh, auth: keys.auth });
  const told = await fetch('/api/0/auth/browsers', { method: 'POST', headers, body });
  if (told.ok && known && known.digest !== (await digest(made.endpoint))) await fetch(`/api/0/auth/browsers/${known.id}`, { method: 'DELETE', headers });
}

/** What the server knows an address by. */
async function digest(endpoint) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(endpoint));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function open(url) {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  for (const page of pages) {
    // A screen on a wall is not taken away from those who look at it.
    if (new URL(page.url).pathname === '/wall') continue;
    try {
      const there = await page.navigate(url.href);
      await (there ?? page).focus();
      return;
    } catch {
      // A page that this worker does not hold yet cannot be led elsewhere: a new one is opened.
    }
  }
  await self.clients.openWindow(url.href);
}
