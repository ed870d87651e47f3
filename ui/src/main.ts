import './tokens.css';
import './base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { bear, onRefusal } from './lib/api.ts';
import { router } from './lib/router.svelte.ts';
import { store } from './lib/store.svelte.ts';
import { choose } from './messages/index.ts';

const wanted = /(?:^|;\s*)lang=(\w+)/.exec(document.cookie)?.[1] ?? navigator.language;
// A language that cannot be loaded leaves English, never an empty page.
await choose(wanted).catch(() => undefined);
router.start();
onRefusal({
  signedOut: () => store.leave(),
  unset: () => {
    store.phase = 'setup';
  },
  refused: () => store.doubt(),
});
// A screen on a wall has nobody who signs in. What stands behind `#` is sent to no server and stands in no log.
const token = location.pathname === '/wall' ? new URLSearchParams(location.hash.slice(1)).get('token') : null;
if (token) bear(token);
const target = document.getElementById('app');
if (target) mount(App, { target });
void store.begin();
