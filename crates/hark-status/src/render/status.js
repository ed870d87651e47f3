// Asks once a minute whether the page says something else by now, and shows it then. The page is whole without.
const seen = () => fetch(location.href, { method: "HEAD", cache: "no-cache" }).then((r) => (r.ok ? r.headers.get("etag") : null), () => null);
let first = null;
seen().then((tag) => { first = tag; });
setInterval(async () => {
  if (document.hidden) return;
  const tag = await seen();
  if (first && tag && tag !== first) location.reload();
  first ??= tag;
}, 60000);
