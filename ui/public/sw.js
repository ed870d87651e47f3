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

self.addEventListener('push', (event) => {
  const { title, body, tag, path, at, quiet, stays } = read(event.data);
  event.waitUntil(
    self.registration.showNotification(title, {
      body,
      icon: '/icon-192.png',
      badge: '/icon-badge.png',
      timestamp: at,
      silent: quiet,
      requireInteraction: stays,
      data: { path },
      // What is said of an incident takes the place of what was said before, and is heard unless it is good news.
      ...(tag === '' ? {} : { tag, renotify: !quiet }),
    }),
  );
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  // A path of this page, whatever the message says.
  const path = String(event.notification.data?.path ?? '').replace(/^\/+/, '');
  const url = new URL(`/${path}`, self.registration.scope);
  event.waitUntil(open(url));
});

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
