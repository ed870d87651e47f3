// What charts show beside a host's own series: other hosts, and the same host earlier. The choice stands in the address.
import { ApiError, get, query } from './api.ts';
import type { Across, HostSeries, Series } from './api-types.ts';
import { batches, type Beside, choice, type Choice, NOTHING_BESIDE, SHIFTS } from './layers.ts';
import { router } from './router.svelte.ts';
import { namesOf } from './series.ts';

/** Series of one answer, over all of its hosts. */
const MOST_SERIES = 32;
/** Hosts of one answer that are chosen by a tag. */
const MOST_TAGGED = 10;

/** What is asked for. */
export interface Wanted {
  host: string;
  /** The first series of each chart: others are drawn with that alone. */
  paths: readonly string[];
  from: number;
  to: number;
  points: number;
}

/** Loads it, as few questions as the bounds of the server allow. */
export async function loadBeside(wanted: Wanted, chosen: Choice): Promise<Beside> {
  const { host, from, to, points } = wanted;
  const paths = [...new Set(wanted.paths)];
  if (paths.length === 0) return NOTHING_BESIDE;
  const out: Beside = { before: null, across: [], more: 0 };
  const others = chosen.hosts.filter((name) => name !== host);
  const who = others.length > 0 ? { hosts: others.join(',') } : chosen.tag !== null ? { tag: chosen.tag } : null;
  const jobs: Promise<void>[] = [];
  if (who !== null) {
    const size = Math.max(1, Math.floor(MOST_SERIES / ('tag' in who ? MOST_TAGGED : others.length)));
    jobs.push(
      Promise.all(batches(paths, size).map((names) => get<Across>(`/series${query({ names: namesOf(names), ...who, from, to, points })}`))).then((answers) => {
        out.across = answers.flatMap((answer): HostSeries[] => answer.items);
        out.more = Math.max(0, ...answers.map((answer) => answer.more));
      }),
    );
  }
  const { shift } = chosen;
  if (shift !== null && host !== '') {
    const by = SHIFTS[shift];
    const path = `/hosts/${encodeURIComponent(host)}/series${query({ names: namesOf(paths), from: from - by, to: to - by, points })}`;
    jobs.push(get<Series>(path).then((series) => void (out.before = { series, shift })));
  }
  await Promise.all(jobs);
  return out;
}

/** What stands beside the charts of a page, kept up by whoever loads its series. */
export class Besides {
  now = $state.raw<Beside>(NOTHING_BESIDE);
  error = $state.raw<ApiError | null>(null);
  #request = 0;

  chosen: Choice = $derived(choice((name) => router.get(name)));
  /** The choice as a text, which changes only when the choice does. */
  key: string = $derived(JSON.stringify(this.chosen));

  async load(wanted: Wanted): Promise<void> {
    this.#request += 1;
    const mine = this.#request;
    try {
      const found = await loadBeside(wanted, this.chosen);
      if (mine !== this.#request) return;
      this.now = found;
      this.error = null;
    } catch (caught) {
      if (mine === this.#request && caught instanceof ApiError) this.error = caught;
    }
  }
}
