import './tokens.css';
import './base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { onRefusal } from './lib/api.ts';
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
});
const target = document.getElementById('app');
if (target) mount(App, { target });
void store.begin();
