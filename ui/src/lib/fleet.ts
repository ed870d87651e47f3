// The fleet as columns: plain arrays and typed arrays, patched in place. No proxy ever sees a host.
import type { FleetTable, Frame } from './api-types.ts';
import { matches, type Subject, type Term } from './filter.ts';
import { ofLetter, rank, WORST_FIRST, type State } from './state.ts';

const OPTIONAL = ['cpu', 'mem', 'disk'] as const;

/** A value column in which NaN stands for nothing: 4 bytes for a host. */
const column = (values: readonly (number | null)[] | undefined, length: number): Float32Array => {
  const out = new Float32Array(length).fill(Number.NaN);
  values?.forEach((value, index) => {
    if (value !== null) out[index] = value;
  });
  return out;
};

/** Orders of the table of hosts. */
export type SortKey = 'state' | 'name' | 'cpu' | 'mem' | 'disk' | 'heard' | 'up' | 'os';

/** Every host, by row number. Row numbers hold until the next whole table. */
export class Fleet {
  readonly length: number;
  readonly etag: string;
  readonly at: number;
  readonly id: readonly number[];
  readonly name: readonly string[];
  readonly state: State[];
  readonly site: readonly number[];
  readonly sites: readonly string[];
  readonly tags: readonly (readonly string[])[];
  readonly text: string[];
  readonly since: Float64Array;
  readonly heard: Float64Array;
  readonly cpu: Float32Array;
  readonly mem: Float32Array;
  readonly disk: Float32Array;
  readonly strip: readonly string[];
  readonly address: readonly (string | null)[];
  readonly os: readonly string[];
  readonly uptime: Float64Array;
  readonly #rowOfId = new Map<number, number>();
  readonly #rowOfName = new Map<string, number>();
  readonly #text: string[];
  /** Rows by name: most orders fall back to it, and it never changes. */
  readonly #byName: readonly number[];
  readonly #place: Int32Array;

  constructor(table: FleetTable) {
    this.length = table.id.length;
    this.etag = table.etag;
    this.at = table.at_unix_s;
    this.id = table.id;
    this.name = table.name;
    this.state = Array.from(table.state, (letter) => ofLetter(letter));
    this.site = table.site;
    this.sites = table.sites;
    this.tags = table.tags;
    this.text = table.text;
    this.since = Float64Array.from(table.since_unix_s);
    this.heard = Float64Array.from(table.last_heard_unix_s, (value) => value ?? Number.NaN);
    this.cpu = column(table.cpu, this.length);
    this.mem = column(table.mem, this.length);
    this.disk = column(table.disk, this.length);
    this.strip = table.strip;
    this.address = table.address;
    this.os = table.os;
    this.uptime = Float64Array.from(table.uptime_s, (value) => value ?? Number.NaN);
    this.#text = table.name.map((name, row) => `${name} ${table.address[row] ?? ''} ${table.os[row] ?? ''}`.toLowerCase());
    table.id.forEach((id, row) => this.#rowOfId.set(id, row));
    table.name.forEach((name, row) => this.#rowOfName.set(name, row));
    this.#byName = table.name.map((_, row) => row).sort((a, b) => ((table.name[a] ?? '') < (table.name[b] ?? '') ? -1 : 1));
    this.#place = new Int32Array(this.length);
    this.#byName.forEach((row, place) => (this.#place[row] = place));
  }

  /** Row of a host's name. */
  row(name: string): number | undefined {
    return this.#rowOfName.get(name);
  }

  /** Applies the rows of a frame. Returns how many rows changed, and whether one changed its state. */
  patch(rows: NonNullable<Frame['rows']>): { rows: number; moved: boolean } {
    let count = 0;
    let moved = false;
    rows.id.forEach((id, index) => {
      const row = this.#rowOfId.get(id);
      if (row === undefined) return;
      count += 1;
      const letter = rows.state[index];
      if (letter !== undefined) {
        const state = ofLetter(letter);
        if (state !== this.state[row]) {
          this.state[row] = state;
          moved = true;
          // What was said of the state before is true no more; what is said of this one comes with it, or soon after.
          if (rows.text?.[index] === undefined) this.text[row] = '';
        }
      }
      for (const name of OPTIONAL) {
        const value = rows[name]?.[index];
        if (value !== undefined) this[name][row] = value ?? Number.NaN;
      }
      const heard = rows.last_heard_unix_s?.[index];
      if (heard !== undefined) this.heard[row] = heard ?? Number.NaN;
      const since = rows.since_unix_s?.[index];
      if (since !== undefined) this.since[row] = since;
      const text = rows.text?.[index];
      if (text !== undefined) this.text[row] = text;
    });
    return { rows: count, moved };
  }

  /** What a filter asks of a row. */
  subject(row: number): Subject {
    const value = (from: Float32Array): number | null => {
      const found = from[row] ?? Number.NaN;
      return Number.isNaN(found) ? null : found;
    };
    return {
      text: `${this.#text[row] ?? ''} ${(this.text[row] ?? '').toLowerCase()}`,
      tags: this.tags[row] ?? [],
      state: this.state[row] ?? 'off',
      cpu: value(this.cpu),
      mem: value(this.mem),
      disk: value(this.disk),
    };
  }

  /** Rows that pass a filter, in an order. A row without a value comes last in either direction. */
  select(terms: readonly Term[], only: State | null, key: SortKey, down: boolean): number[] {
    const out: number[] = [];
    for (const row of this.#byName) {
      if (only !== null && this.state[row] !== only) continue;
      if (terms.length > 0 && !matches(terms, this.subject(row))) continue;
      out.push(row);
    }
    if (key === 'name') return down ? out.reverse() : out;
    const turn = down ? -1 : 1;
    if (key === 'state') {
      // States are few: each has its heap, which is in the order of names already. This is done with each change of ten thousand hosts.
      const heaps: number[][] = WORST_FIRST.map(() => []);
      for (const row of out) heaps[rank(this.state[row] ?? 'off')]?.push(row);
      return (down ? heaps.reverse() : heaps).flat();
    }
    const byName = (a: number, b: number): number => (this.#place[a] ?? 0) - (this.#place[b] ?? 0);
    if (key === 'os') {
      out.sort((a, b) => turn * (this.os[a] ?? '').localeCompare(this.os[b] ?? '') || byName(a, b));
    } else {
      const from = { cpu: this.cpu, mem: this.mem, disk: this.disk, heard: this.heard, up: this.uptime }[key];
      out.sort((a, b) => {
        const left = from[a] ?? Number.NaN;
        const right = from[b] ?? Number.NaN;
        if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || byName(a, b);
        return turn * (left - right) || byName(a, b);
      });
    }
    return out;
  }

  /** Number of hosts in each state among the rows that pass `terms`. */
  tally(terms: readonly Term[]): Record<State, number> {
    const out: Record<State, number> = { crit: 0, warn: 0, unk: 0, mnt: 0, ok: 0, off: 0 };
    for (let row = 0; row < this.length; row += 1) {
      if (terms.length === 0 || matches(terms, this.subject(row))) out[this.state[row] ?? 'off'] += 1;
    }
    return out;
  }
}

/** A group of hosts on the overview. */
export interface Group {
  key: string;
  rows: number[];
  counts: Record<State, number>;
}

/** Groups rows by site, or by the value of a tag's key; groups with the worst state first. */
export function groups(fleet: Fleet, by: 'site' | 'role' | 'tag' | 'none', rows: readonly number[]): Group[] {
  const found = new Map<string, Group>();
  const add = (key: string, row: number): void => {
    let group = found.get(key);
    if (group === undefined) {
      group = { key, rows: [], counts: { crit: 0, warn: 0, unk: 0, mnt: 0, ok: 0, off: 0 } };
      found.set(key, group);
    }
    group.rows.push(row);
    group.counts[fleet.state[row] ?? 'off'] += 1;
  };
  for (const row of rows) {
    const tags = fleet.tags[row] ?? [];
    if (by === 'none') add('', row);
    else if (by === 'site') add(fleet.sites[fleet.site[row] ?? -1] ?? '', row);
    else if (by === 'role') add(tags.find((tag) => tag.startsWith('role:'))?.slice(5) ?? '', row);
    else if (tags.length === 0) add('', row);
    else for (const tag of tags) add(tag, row);
  }
  const worst = (group: Group): number =>
    group.counts.crit > 0 ? 0 : group.counts.warn > 0 ? 1 : group.counts.unk > 0 ? 2 : 3;
  return [...found.values()].sort(
    (a, b) => worst(a) - worst(b) || Number(a.key === '') - Number(b.key === '') || b.rows.length - a.rows.length || (a.key < b.key ? -1 : 1),
  );
}
