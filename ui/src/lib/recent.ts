// Comments that were used lately, offered again where one is asked for. They stay in this browser.

const NAME = 'hark.comments';
const KEPT = 8;

/** The comments used last, newest first. */
export function recent(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(NAME) ?? '[]');
    return Array.isArray(found) ? found.filter((entry): entry is string => typeof entry === 'string').slice(0, KEPT) : [];
  } catch {
    return [];
  }
}

/** Puts a comment in front. */
export function remember(comment: string): void {
  localStorage.setItem(NAME, JSON.stringify([comment, ...recent().filter((entry) => entry !== comment)].slice(0, KEPT)));
}
