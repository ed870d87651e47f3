// Where the page is: path and query, with real links. State of a view lives in the query, so that it can be sent on.

/** Positions kept for Back, by history entry. */
const positions = new Map<string, number>();
let entry = 0;

class Router {
  path = $state(location.pathname);
  search = $state.raw(new URLSearchParams(location.search));
  /** Counts moves to another page, so that the focus can go to its heading. */
  moves = $state(0);

  /** Goes to an address of this page. `replace` changes the query without a step in the history. */
  go(to: string, options: { replace?: boolean; keepScroll?: boolean } = {}): void {
    const url = new URL(to, location.href);
    const other = url.pathname !== this.path;
    this.#remember();
    if (options.replace) {
      history.replaceState(history.state, '', url);
    } else {
      entry += 1;
      history.pushState({ entry }, '', url);
    }
    this.#set(url);
    if (other) {
      this.moves += 1;
      if (!options.keepScroll) scrollTo(0, 0);
    }
  }

  /** Sets parameters of the query; null takes one away. */
  set(values: Record<string, string | null>, replace = true): void {
    const next = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '') next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    this.go(this.path + (text === '' ? '' : `?${text}`), { replace, keepScroll: true });
  }

  get(name: string): string | null {
    return this.search.get(name);
  }

  #remember(): void {
    positions.set(String((history.state as { entry?: number } | null)?.entry ?? 0), scrollY);
  }

  #set(url: URL): void {
    this.path = url.pathname;
    this.search = url.searchParams;
  }

  /** Listens for Back and for clicks on links. */
  start(): void {
    history.scrollRestoration = 'manual';
    entry = (history.state as { entry?: number } | null)?.entry ?? 0;
    addEventListener('popstate', () => {
      this.#set(new URL(location.href));
      this.moves += 1;
      const at = positions.get(String((history.state as { entry?: number } | null)?.entry ?? 0)) ?? 0;
      // Twice: once for what is there at once, once for what the first frame brings.
      requestAnimationFrame(() => {
        scrollTo(0, at);
        requestAnimationFrame(() => scrollTo(0, at));
      });
    });
    document.addEventListener('click', (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
      if (link.pathname.startsWith('/api/') || link.pathname.startsWith('/oidc/') || link.getAttribute('href')?.startsWith('#')) return;
      event.preventDefault();
      this.go(link.pathname + link.search);
    });
  }
}

export const router = new Router();

/** Address of the empty form of a receiver. */
export const NEW_RECEIVER = '/settings/configuration/receivers?new=1';

/** Address of a host's page. */
export const hostPath = (name: string): string => `/hosts/${encodeURIComponent(name)}`;
