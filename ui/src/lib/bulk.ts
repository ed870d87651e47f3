// One thing done to many: what the server does as a job is followed to its end, what it does one by one is asked one by one.
import { get, query, write } from './api.ts';
import type { IncidentRow, Job, Page } from './api-types.ts';

/** How often a job is looked at. */
const LOOK_MS = 400;
/** Numbers of one request, as the server takes them. */
const MOST = 1000;

/** What came of it: how many were done, and why the first of the others was not. */
export interface Outcome {
  done: number;
  failed: number;
  why: string | null;
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** Does `what` to incidents, as a job. */
export async function toIncidents(what: Record<string, unknown>, ids: readonly number[]): Promise<Outcome> {
  let job = await write<Job>('POST', '/bulk', { do: what, incidents: { ids: ids.slice(0, MOST) } });
  while (job.state === 'waiting' || job.state === 'running') {
    await pause(LOOK_MS);
    job = await get<Job>(`/jobs/${job.id}`);
  }
  return { done: job.done - job.failed, failed: job.failed, why: job.failures[0]?.detail ?? null };
}

/** Does something to each of these names, one after the other; what fails for one does not keep the others. */
export async function each(names: readonly string[], act: (name: string) => Promise<void>): Promise<Outcome & { names: string[] }> {
  const out: Outcome & { names: string[] } = { done: 0, failed: 0, why: null, names: [] };
  for (const name of names) {
    try {
      await act(name);
      out.done += 1;
      out.names.push(name);
    } catch (caught) {
      out.failed += 1;
      out.why ??= caught instanceof Error ? caught.message : String(caught);
    }
  }
  return out;
}

/** The open incidents of these hosts that nobody has taken. */
export async function waitingOn(hosts: ReadonlySet<string>): Promise<number[]> {
  const found: number[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<IncidentRow> = await get<Page<IncidentRow>>(`/incidents${query({ limit: MOST, cursor })}`);
    found.push(...page.items.filter((row) => hosts.has(row.host) && row.ack === null && row.resolved_at === null).map((row) => row.id));
    cursor = page.next;
  } while (cursor !== null && found.length < MOST);
  return found;
}

/** Tags with one more, each once. */
export const withTag = (tags: unknown, tag: string): string[] => [...new Set([...(Array.isArray(tags) ? tags.map(String) : typeof tags === 'string' ? [tags] : []), tag])];
