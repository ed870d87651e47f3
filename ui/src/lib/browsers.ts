// Notifications in this browser while the page is closed (Web Push): whether it can, turning them on and off.
import { write } from './api.ts';
import type { Browser } from './api-types.ts';
import { decode, encode } from './passkey.ts';

/** Why this browser cannot: no https, nothing of the kind, only where the page is installed, or its user has said no. */
export type Obstacle = 'insecure' | 'unsupported' | 'install' | 'denied';

export function obstacle(): Obstacle | null {
  if (!isSecureContext) return 'insecure';
  if (!('serviceWorker' in navigator)) return 'unsupported';
  if (!('PushManager' in window) || !('Notification' in window)) return /iPhone|iPad/.test(navigator.userAgent) ? 'install' : 'unsupported';
  return Notification.permission === 'denied' ? 'denied' : null;
}

/** What this browser is called unless its user says otherwise. */
export function called(agent: string): string {
  const browser = /Edg\//.test(agent) ? 'Edge' : /OPR\//.test(agent) ? 'Opera' : /Firefox\//.test(agent) ? 'Firefox' : /Chrome\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
  const system = /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Windows/.test(agent) ? 'Windows' : /Mac OS X/.test(agent) ? 'macOS' : /Linux/.test(agent) ? 'Linux' : '';
  return [browser, system].filter((part) => part !== '').join(', ');
}

const WORKER = '/sw.js';

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(text: string): string }): { createScriptURL(text: string): string };
}

let trusted: string | undefined;

/** The page's policy lets no text become the address of a script; this is the one address that may. */
function worker(): string {
  const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
  trusted ??= types ? types.createPolicy('hark-worker', { createScriptURL: () => WORKER }).createScriptURL(WORKER) : WORKER;
  return trusted;
}

async function subscription(): Promise<PushSubscription | null> {
  const registered = await navigator.serviceWorker.getRegistration('/');
  return (await registered?.pushManager.getSubscription()) ?? null;
}

/** What the server knows this browser by; null if notifications are off in it. */
export async function digest(): Promise<string | null> {
  if (obstacle() !== null) return null;
  const found = await subscription();
  if (found === null) return null;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(found.endpoint));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Turns notifications on; null if the user of the browser did not allow it. */
export async function turnOn(name: string, key: string): Promise<Browser | null> {
  if ((await Notification.requestPermission()) !== 'granted') return null;
  await navigator.serviceWorker.register(worker(), { scope: '/' });
  const { pushManager } = await navigator.serviceWorker.ready;
  const before = await pushManager.getSubscription();
  const known = before?.options.applicationServerKey;
  // One that was made for another key would never be told anything.
  if (before && (!known || encode(known) !== key)) await before.unsubscribe();
  const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: decode(key) });
  const { keys } = made.toJSON();
  return write<Browser>('POST', '/auth/browsers', { name, endpoint: made.endpoint, p256dh: keys?.['p256dh'] ?? '', auth: keys?.['auth'] ?? '' });
}

/** Turns them off here; the server has been told. */
export async function turnOff(): Promise<void> {
  await (await subscription())?.unsubscribe();
}
