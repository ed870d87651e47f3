// What can be measured about how the page looks: axe on every page, no sideways scroll at any width, no shift, few nodes.
// With HARK_SHOTS=<folder> the pictures are kept for people.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { audit, DESK, holds, names, open, PHONE, settled, signIn, THEMES } from './browser.mjs';

/** The pages that are looked at, with their names. */
export const paths = (known) => [
  ['overview', '/'],
  ['hosts', '/hosts'],
  ['checks', '/checks'],
  ['checks-of', '/checks?check=memory_monitor.percent'],
  ['metrics', '/all-metrics'],
  ['metrics-of', '/all-metrics?name=hark_memory_percent'],
  ...(known.host ? [['host', `/hosts/${known.host}`], ['host-metrics', `/hosts/${known.host}?tab=metrics`], ['host-checks', `/hosts/${known.host}?tab=checks`], ['host-actions', `/hosts/${known.host}?tab=actions`]] : []),
  ...(known.incident ? [['incident', `/incidents/${known.incident}`]] : []),
  ['incidents', '/incidents'],
  ['maintenance', '/maintenance'],
  ['maintenance-new', '/maintenance?new=maintenance'],
  ['notifications', '/notifications'],
  ...(known.host ? [['notifications-test', `/notifications?host=${known.host}`]] : []),
  ['notifications-message', '/notifications?message=1'],
  ['status-pages', '/status-pages'],
  ['wall', '/wall'],
  ['wall-fleet', '/wall?view=fleet'],
  ['wall-activity', '/wall?view=activity'],
  ['agents', '/agents'],
  ['journal', '/journal'],
  ['journal-audit', '/journal?tab=audit'],
  ['users', '/users'],
  ['settings', '/settings'],
  ['more', '/more'],
  ['missing', '/nothing-here'],
];

export async function axe({ browser, base, user, password }) {
  const found = [];
  const shots = process.env.HARK_SHOTS;
  if (shots) await mkdir(shots, { recursive: true });
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      // Only to put axe into the page; the policy itself is tested by every other run.
      const { context, page } = await open(browser, { base, theme, viewport, touch: viewport === PHONE, bypassCSP: true });
      await page.goto(base);
      await page.waitForSelector('#login-name');
      await audit(page, `login ${theme} ${viewport.width}`, found);
      if (shots) await page.screenshot({ path: join(shots, `login-${theme}-${viewport.width}.png`) });
      await signIn(page, { base, user, password });
      await settled(page);
      const known = await names(page);
      for (const [name, path] of paths(known)) {
        await page.goto(base + path);
        await settled(page);
        if (name === 'host') await page.waitForSelector('.uplot canvas', { timeout: 5000 }).catch(() => undefined);
        await page.waitForTimeout(250);
        await audit(page, `${name} ${theme} ${viewport.width}`, found);
        if (shots) await page.screenshot({ path: join(shots, `${name}-${theme}-${viewport.width}.png`) });
      }
      await context.close();
    }
  }
  return [...new Set(found)];
}

export async function reflow({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await signIn(page, { base, user, password });
  await settled(page);
  const known = await names(page);
  for (const width of [320, 390, 768, 1024, 1280, 1920]) {
    await page.setViewportSize({ width, height: 900 });
    for (const [name, path] of paths(known)) {
      await page.goto(base + path);
      await settled(page);
      if (name === 'agents') {
        // The command is one long line: it must not widen the page.
        await page.click('.add form button');
        await page.waitForSelector('.add code');
      }
      const wide = await page.evaluate(() => {
        const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        if (over <= 0) return null;
        const widest = [...document.querySelectorAll('main *')].find((element) => element.getBoundingClientRect().right > innerWidth + 1);
        return `${over} px, ${widest?.outerHTML.slice(0, 120)}`;
      });
      if (wide) faults.push(`${name} at ${width}: ${wide}`);
      // A label that is cut says nothing; names and sentences may end in dots, controls may not.
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('main button, main a.btn, main th, main label, main .label')]
          .filter((element) => !element.classList.contains('sr') && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && getComputedStyle(element).display !== 'inline' && !element.querySelector('.clip, .mono, input'))
          .map((element) => element.textContent?.trim().slice(0, 40)),
      );
      for (const text of cut) faults.push(`${name} at ${width}: “${text}” is cut`);
    }
  }
  // An error panel has a sentence, a number and a button beside each other; German words are the longer ones.
  await context.addCookies([{ name: 'lang', value: 'de', url: base }]);
  await page.route('**/api/0/config/**', (route) => route.fulfill({ status: 409, contentType: 'application/problem+json', json: { type: '/problems/conflict', title: 'Not possible in this state', status: 409, detail: "this server's configuration is in no file: nothing is kept here", instance: '/requests/0123456789abcdef' } }));
  for (const width of [320, 390, 768]) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(`${base}/settings/configuration`);
    await holds(() => page.getByText('Noch einmal').isVisible(), `the panel at ${width} offers to try again`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) faults.push(`an error panel in German at ${width}: ${over} px`);
  }
  await context.close();
  return faults;
}

/** Nodes of the page, shift of the layout, and whether walking round leaves anything behind. */
export async function weight({ browser, base, user, password }) {
  const { context, page, faults } = await open(browser, { base });
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await signIn(page, { base, user, password });
  const MOST = { nodes: 2500, shift: 0.005 };
  for (const path of ['/', '/hosts', '/incidents', '/maintenance', '/agents']) {
    await page.goto(base + path);
    await settled(page);
    await page.waitForTimeout(600);
    const found = await page.evaluate(() => ({ nodes: document.querySelectorAll('*').length, shift: window.shift }));
    if (path !== '/agents' && found.nodes > MOST.nodes) faults.push(`${path} has ${found.nodes} nodes`);
    if (found.shift > MOST.shift) faults.push(`${path} shifts by ${found.shift.toFixed(4)}`);
    console.log(`  ${path}: ${found.nodes} nodes, shift ${found.shift.toFixed(4)}`);
  }
  const client = await context.newCDPSession(page);
  await client.send('HeapProfiler.enable');
  const known = await names(page);
  const measure = async () => {
    for (let i = 0; i < 3; i += 1) await client.send('HeapProfiler.collectGarbage');
    const { nodes, jsEventListeners } = await client.send('Memory.getDOMCounters');
    const { usedSize } = await client.send('Runtime.getHeapUsage');
    return { nodes, listeners: jsEventListeners, heap: usedSize / 1e6 };
  };
  // Links inside one document: a reload would hide what stays behind.
  const round = async (rounds) => {
    for (let at = 0; at < rounds; at += 1) {
      for (const path of ['/', '/hosts', ...(known.host ? [`/hosts/${known.host}`] : []), '/incidents', '/']) {
        await page.evaluate((to) => {
          const link = document.createElement('a');
          link.href = to;
          document.body.append(link);
          link.click();
          link.remove();
        }, path);
        await settled(page);
        await page.waitForTimeout(120);
      }
    }
    return measure();
  };
  const early = await round(2);
  const late = await round(8);
  console.log(`  heap ${early.heap.toFixed(1)} to ${late.heap.toFixed(1)} MB, nodes ${early.nodes} to ${late.nodes}, listeners ${early.listeners} to ${late.listeners} over 40 page changes`);
  if (late.heap > early.heap * 1.4 + 2) faults.push('the heap grows with every page change');
  if (late.nodes > early.nodes * 1.5 + 500) faults.push('nodes stay behind after a page change');
  if (late.listeners > early.listeners * 1.5 + 100) faults.push('listeners stay behind after a page change');
  await context.close();
  return faults;
}
