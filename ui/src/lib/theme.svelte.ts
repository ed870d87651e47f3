// Light and dark: a cookie that the server reads, so that the first paint is right; without one the system decides.

/** A year: longer is cut by browsers anyway. */
const COOKIE_SECONDS = 31_536_000;

class Theme {
  dark = $state(false);
  #media = matchMedia('(prefers-color-scheme: dark)');

  constructor() {
    // The server writes the attribute; a server that does not is made up for here.
    const cookie = /(?:^|;\s*)theme=(light|dark)/.exec(document.cookie)?.[1];
    if (cookie && document.documentElement.dataset.theme !== cookie) document.documentElement.dataset.theme = cookie;
    this.#read();
    this.#media.addEventListener('change', () => this.#read());
  }

  #read(): void {
    const set = document.documentElement.dataset.theme;
    this.dark = set === 'dark' || (set !== 'light' && this.#media.matches);
  }

  toggle(): void {
    const next = this.dark ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=${COOKIE_SECONDS}; samesite=lax`;
    this.#read();
  }
}

export const theme = new Theme();
