// Hosts that somebody dropped, for as long as that can be undone.
import { t } from '../messages/dropping.ts';
import { get, write } from './api.ts';
import type { DroppedHost } from './api-types.ts';
import { store } from './store.svelte.ts';

/** Those that the reader may give back; none where that cannot be read, which hides nothing that is watched. */
export const droppedHosts = (): Promise<DroppedHost[]> => get<DroppedHost[]>('/dropped').catch(() => []);

/** Gives a host back. */
export async function giveBack(host: string): Promise<void> {
  try {
    await write('POST', `/hosts/${encodeURIComponent(host)}/restore`);
    store.toast(t('dropped.restored', { host }));
  } catch (caught) {
    store.failed(caught);
  }
  void store.loadFleet();
  void store.loadOverview();
}
