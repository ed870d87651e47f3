import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  build: {
    // What the policy of the page forbids must not be made: no data: addresses, no script that loads a script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What most pages need is one file: each file begins with what it takes from others, and is compressed by itself.
        codeSplitting: { groups: [{ name: 'base', minShareCount: 8 }] },
      },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:50104', '/ws': { target: 'ws://127.0.0.1:50104', ws: true } } },
});
