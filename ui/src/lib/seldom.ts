/**
 * Keeps what costs something from being done more than once in `pause` milliseconds. What is asked for earlier is done once when they are over: the
 * reason for it may have come after the last time.
 */
export function seldom(run: () => void, pause: number): () => void {
  let last = Number.NEGATIVE_INFINITY;
  let waits = false;
  const go = (): void => {
    waits = false;
    last = Date.now();
    run();
  };
  return () => {
    if (waits) return;
    // A clock that was put back must not keep anybody waiting for longer.
    const left = Math.min(last + pause - Date.now(), pause);
    if (left <= 0) return go();
    waits = true;
    setTimeout(go, left);
  };
}
