// What the whole page shares: who is signed in, the live data, the present, toasts. Hosts stay in plain columns
// (`fleet.ts`); only the version number beside them is reactive, so that 10 000 hosts cost no proxies.
import { ApiError, get, getIfChanged, write } from './api.ts';
import type { Activity, Counts, Delivery, FleetTable, Frame, HostPatch, Joined, Me, Overview, Problem, Self } from './api-types.ts';
import { Fleet } from './fleet.ts';
import { BEHIND_S, changes, isUrgent, merge, patchDeliveries, patchEvents, patchProblems } from './live.ts';
import { differs, meets } from './rights.ts';
import { seldom } from './seldom.ts';
import { Socket, type Link } from './socket.ts';
import { byUrgency } from './state.ts';
import { t } from '../messages/index.ts';

/** Pause between two plain requests while there is no socket. */
const POLL_MS = 5000;
/** The whole table is asked for again this often: it brings strips and hosts that came or went (unchanged costs a 304). */
const FLEET_MS = 60_000;
/** From this many hosts on the table is worth waiting for. */
const BIG_FLEET = 2000;
/**
 * What may wait is drawn this often, together with the clock: a picture costs the browser far more than what is in it, and a fleet of thousands has
 * something new in its figures each second.
 */
const PICTURE_MS = 2000;
/** A refusal, or a host that is new to the reader, has the page ask who is signed in, at most this often. */
const DOUBT_MS = 5000;
/** Time that a toast stays; one with the focus inside stays longer. */
const TOAST_MS = 8000;

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo: (() => void) | null;
}

export type Phase = 'starting' | 'setup' | 'signed-out' | 'factor' | 'ready' | 'unreachable';

class Store {
  phase = $state<Phase>('starting');
  me = $state.raw<Me | null>(null);
  /** Grows when who is signed in may do or see something else than before: views ask again for what they show. */
  rights = $state(0);
  version = $state('');
  /** What the server is called; empty if nobody has said. */
  site = $state('');
  /** The present, with each picture. */
  now = $state(Date.now() / 1000);
  /** The same for what changes no faster: the beginning of the minute. */
  minute = $state(Math.floor(Date.now() / 60_000) * 60);
  /** Server clock minus own clock. */
  skew = 0;

  overview = $state.raw<Overview | null>(null);
  overviewError = $state.raw<ApiError | null>(null);
  fleet = $state.raw<Fleet | null>(null);
  fleetError = $state.raw<ApiError | null>(null);
  /** Grows with every change inside `fleet`. */
  fleetVersion = $state(0);
  /** Grows when a host came, went or changed its state. */
  fleetMoved = $state(0);
  deliveries = $state.raw<Delivery[]>([]);
  joined = $state.raw<Joined[]>([]);
  self = $state.raw<Partial<Self> | null>(null);

  link = $state<Link>('connecting');
  /** Server time of the newest data. */
  dataAt = $state<number | null>(null);
  /** Own time of the newest message. */
  #heardAt = $state(Date.now() / 1000);
  paused = $state(false);
  waiting = $state(0);
  toasts = $state.raw<Toast[]>([]);
  /** Text for the polite region, at most one in ten seconds. */
  spoken = $state('');

  #socket: Socket | null = null;
  #frames: Frame[] = [];
  #scheduled = false;
  #poll: ReturnType<typeof setInterval> | undefined;
  #fleetTimer: ReturnType<typeof setInterval> | undefined;
  #fleetNeeds = 0;
  #fleetAt = 0;
  /** Rows that came while the table is asked for; null while it is not. */
  #late: NonNullable<Frame['rows']>[] | null = null;
  #clock: ReturnType<typeof setTimeout> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #topics = new Map<string, number>();
  #rows: number[] = [];
  #hosts = new Map<string, Set<(patch: HostPatch) => void>>();
  #subscribing = false;
  #toast = 0;
  #spokenAt = 0;
  #doubts = seldom(() => void (this.phase === 'ready' && this.#look()), DOUBT_MS);
  #etag: string | null = null;

  constructor() {
    this.#tick();
  }

  /** Has the clock go on, now and then by itself; what waits is shown with it. */
  #tick(): void {
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => this.#tick(), PICTURE_MS);
    this.#setNow();
    this.#run();
  }

  #setNow(): void {
    this.now = Date.now() / 1000 + this.skew;
    const minute = Math.floor(this.now / 60) * 60;
    if (minute !== this.minute) this.minute = minute;
  }

  counts: Counts | null = $derived(this.overview?.counts ?? null);
  problems: Problem[] = $derived(this.overview?.problems ?? []);
  /** Problems that wait for somebody. */
  unacked: number = $derived(this.problems.filter((problem) => problem.ack === null && problem.silenced_until_unix_s === null).length);
  /** Seconds since the last message, when that is long. */
  behind: number = $derived.by(() => {
    const late = Date.now() / 1000 - this.#heardAt + 0 * this.now;
    return this.link === 'live' && late > BEHIND_S ? Math.round(late) : 0;
  });
  stale: boolean = $derived(this.link === 'lost' || (this.link === 'connecting' && this.dataAt !== null));

  /** Learns who is there, and begins. */
  async begin(): Promise<void> {
    try {
      const setup = await get<{ needed: boolean; version: string; site_name?: string }>('/setup');
      this.version = setup.version;
      this.site = setup.site_name ?? '';
      if (setup.needed) {
        this.phase = 'setup';
        return;
      }
      this.enter(await get<Me>('/auth/me'));
    } catch (error) {
      this.phase = error instanceof ApiError && error.status === 401 ? 'signed-out' : 'unreachable';
    }
  }

  /** Somebody has signed in. */
  enter(me: Me): void {
    if (this.me !== null && differs(this.me, me)) this.rights += 1;
    this.me = me;
    if (me.second_factor === 'needed') {
      this.phase = 'factor';
      return;
    }
    this.phase = 'ready';
    if (this.#socket !== null) return;
    this.#socket = new Socket({
      frame: (frame) => this.#receive(frame),
      link: (link) => {
        this.link = link;
      },
      gap: () => this.#fleetSoon(),
      ended: () => void this.#look(),
      polling: (wanted) => this.#polling(wanted),
    });
    this.#keepFleet();
    this.#subscribe();
    void this.loadOverview();
  }

  /** Takes on what the server says of who is signed in; what he sees is asked for anew if that has changed. */
  #become(me: Me): void {
    const before = this.me;
    // Whoever looks at it would look again: only what is another is taken.
    if (before !== null && !differs(before, me)) return;
    this.me = me;
    if (before === null) return;
    if (me.second_factor === 'needed') {
      this.phase = 'factor';
      return;
    }
    this.rights += 1;
    this.toast(t('me.changed'));
    void this.loadOverview();
    if (this.fleet !== null) void this.loadFleet();
  }

  /** Asks who is signed in; nobody is if the session has ended. */
  async #look(): Promise<void> {
    try {
      this.#become(await get<Me>('/auth/me'));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.leave();
    }
  }

  /** The server has refused what the page offers: perhaps it knows something else of the reader's rights. */
  doubt(): void {
    if (this.phase === 'ready') this.#doubts();
  }

  /** The session is over: the shown page stays, so that nothing typed is lost; a sign-in stands over it. */
  leave(): void {
    this.phase = 'signed-out';
    this.#socket?.close();
    this.#socket = null;
    this.#polling(false);
    clearInterval(this.#fleetTimer);
    this.#fleetTimer = undefined;
  }

  async signOut(): Promise<void> {
    await write('POST', '/auth/logout');
    location.assign('/');
  }

  /** Asks for the reader's roles again where he sees a host that came after they were asked for. */
  meet(hosts: string[]): void {
    if (meets(this.me, hosts)) this.doubt();
  }

  async loadOverview(): Promise<void> {
    try {
      const overview = await get<Overview>('/overview');
      this.skew = overview.at_unix_s - Date.now() / 1000;
      // A server whose clock is within two seconds is taken to be right: the answer's own way explains that much.
      if (Math.abs(this.skew) < 2) this.skew = 0;
      this.#setNow();
      this.overview = { ...overview, problems: [...overview.problems].sort(byUrgency) };
      this.meet(overview.problems.map((problem) => problem.host));
      this.overviewError = null;
      this.dataAt = overview.at_unix_s;
    } catch (error) {
      if (error instanceof ApiError) this.overviewError = error;
    }
  }

  /**
   * Keeps the table of hosts true while somebody looks at it; returns what ends that. It is loaded at once if it is not there or was not
   * kept, then each minute; states that change meanwhile come by themselves.
   */
  needFleet(): () => void {
    this.#fleetNeeds += 1;
    this.#keepFleet();
    const states = this.topic('states');
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      states();
      this.#fleetNeeds -= 1;
      if (this.#fleetNeeds > 0) return;
      clearInterval(this.#fleetTimer);
      this.#fleetTimer = undefined;
    };
  }

  #keepFleet(): void {
    if (this.#fleetNeeds === 0 || this.#fleetTimer !== undefined) return;
    this.#fleetTimer = setInterval(() => void this.loadFleet(), FLEET_MS);
    if (Date.now() - this.#fleetAt > POLL_MS) void this.loadFleet();
  }

  async loadFleet(): Promise<void> {
    if (this.#late !== null) return;
    this.#late = [];
    try {
      const answer = await getIfChanged<FleetTable>('/fleet', this.#etag);
      this.fleetError = null;
      this.#fleetAt = Date.now();
      if (answer === null) return;
      this.#etag = answer.etag;
      const fleet = new Fleet(answer.body);
      // What was told while the answer was on its way may be newer than it, and is told once.
      for (const rows of this.#late) fleet.patch(rows);
      this.fleet = fleet;
      this.fleetVersion += 1;
      this.fleetMoved += 1;
    } catch (error) {
      if (error instanceof ApiError) this.fleetError = error;
    } finally {
      this.#late = null;
    }
  }

  /** A host has come that is not in the table, or states may have been missed: it is asked for again, the later the bigger it is. */
  #fleetSoon(): void {
    if (this.fleet === null || this.#fleetNeeds === 0 || this.#soon !== undefined) return;
    const wait = this.fleet.length > BIG_FLEET ? 10_000 : 2000;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      void this.loadFleet();
    }, wait);
  }

  #polling(wanted: boolean): void {
    clearInterval(this.#poll);
    if (wanted) {
      this.#poll = setInterval(() => {
        if (document.visibilityState === 'hidden') return;
        void this.#look();
        if (this.paused) return;
        void this.loadOverview();
        if (this.#fleetNeeds > 0) void this.loadFleet();
        for (const listeners of this.#hosts.values()) for (const tell of listeners) tell({ checks_changed: true });
      }, POLL_MS);
    }
  }

  /** Asks for a topic while a view is there; returns what ends it. */
  topic(name: string): () => void {
    this.#topics.set(name, (this.#topics.get(name) ?? 0) + 1);
    this.#subscribe();
    return () => {
      const left = (this.#topics.get(name) ?? 1) - 1;
      if (left > 0) this.#topics.set(name, left);
      else this.#topics.delete(name);
      this.#subscribe();
    };
  }

  /** Tells `listener` about one host; returns what ends it. */
  host(name: string, listener: (patch: HostPatch) => void): () => void {
    this.meet([name]);
    const listeners = this.#hosts.get(name) ?? new Set();
    listeners.add(listener);
    this.#hosts.set(name, listeners);
    const end = this.topic(`host:${name}`);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#hosts.delete(name);
      end();
    };
  }

  /** The rows that are in view. */
  watch(rows: number[]): void {
    // In one order, so that rows that change places alone are not asked for again.
    this.#rows = [...rows].sort((a, b) => a - b);
    this.#subscribe();
  }

  #subscribe(): void {
    if (this.#subscribing) return;
    this.#subscribing = true;
    queueMicrotask(() => {
      this.#subscribing = false;
      // The report of the server about itself comes every five seconds: it is the pulse of a fleet where nothing happens.
      const sub = ['counts', 'problems', 'events', 'self', 'me', ...this.#topics.keys()];
      this.#socket?.want({ sub: [...new Set(sub)], rows: this.#rows });
    });
  }

  #receive(frame: Frame): void {
    this.#heardAt = Date.now() / 1000;
    // Not movement: it holds while the page is paused as well.
    if (frame.me) this.#become(frame.me);
    if (frame.at_unix_s !== undefined && !this.paused) this.dataAt = frame.at_unix_s;
    if (frame.type === 'hello') {
      if (frame.version !== undefined) this.version = frame.version;
      // After a break the server sends snapshots of the topics; the rest of the overview is asked for.
      if (this.overview !== null) void this.loadOverview();
      this.#fleetSoon();
      return;
    }
    this.#frames.push(frame);
    if (this.paused) {
      this.#frames = [merge(this.#frames)];
      this.waiting = changes(this.#frames[0] ?? frame);
      return;
    }
    if (frame.snapshot || isUrgent(frame, this.problems)) this.#schedule();
    // A hidden tab's clock may stand still for a minute; its title still has to be right.
    else if (document.visibilityState === 'hidden') setTimeout(() => this.#run(), 0);
  }

  /** Shows what has come with the next picture that the browser draws, and the clock with it. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      this.#tick();
    };
    // A hidden tab gets no animation frames.
    if (document.visibilityState === 'hidden') setTimeout(run, 0);
    else requestAnimationFrame(run);
  }

  #run(): void {
    if (this.paused || this.#frames.length === 0) return;
    const frame = this.#frames.length === 1 ? (this.#frames[0] as Frame) : merge(this.#frames);
    this.#frames = [];
    this.#apply(frame);
  }

  #apply(frame: Frame): void {
    const snapshot = frame.snapshot === true;
    if (this.overview !== null && (frame.counts || frame.problems || frame.events)) {
      const { problems: before, counts } = this.overview;
      const problems = frame.problems ? patchProblems(before, frame.problems, snapshot) : before;
      this.overview = {
        ...this.overview,
        counts: frame.counts ?? counts,
        problems,
        events: frame.events ? patchEvents(this.overview.events, frame.events, snapshot) : this.overview.events,
      };
      // What is quiet on purpose is no part of the stream: only that it is another now.
      if (frame.counts && frame.counts.quiet_revision !== counts.quiet_revision) void this.loadOverview();
      this.#speak(before, problems);
      if (frame.problems) this.meet(problems.map((problem) => problem.host));
    }
    if (frame.rows) this.#late?.push(frame.rows);
    if (frame.rows && this.fleet !== null) {
      const { rows, moved } = this.fleet.patch(frame.rows);
      if (rows > 0) this.fleetVersion += 1;
      if (moved) this.fleetMoved += 1;
      if (rows < frame.rows.id.length) this.#fleetSoon();
    }
    if (frame.deliveries) this.deliveries = patchDeliveries(this.deliveries, frame.deliveries);
    if (frame.enrol) this.joined = [...frame.enrol, ...this.joined].slice(0, 50);
    if (frame.self) this.self = { ...this.self, ...frame.self };
    for (const [name, patch] of Object.entries(frame.host ?? {})) {
      for (const tell of this.#hosts.get(name) ?? []) tell(patch);
    }
  }

  #speak(before: readonly Problem[], now: readonly Problem[]): void {
    const known = new Set(before.map((problem) => problem.incident));
    const fresh = now.filter((problem) => !known.has(problem.incident) && problem.ack === null);
    if (fresh.length === 0 || this.now - this.#spokenAt < 10) return;
    this.#spokenAt = this.now;
    this.spoken = fresh
      .slice(0, 3)
      .map((problem) => `${problem.host} ${problem.check}: ${problem.text}`)
      .join('. ');
  }

  /** Stops all movement, or lets what waits come in. */
  pause(on: boolean): void {
    this.paused = on;
    if (!on) this.show();
  }

  /** Applies what waits. */
  show(): void {
    this.waiting = 0;
    if (this.#frames.length === 0) return;
    const frame = merge(this.#frames);
    this.#frames = [];
    this.#apply(frame);
  }

  /** Puts a changed problem in place at once, before the next frame says the same. */
  setProblem(problem: Problem): void {
    if (this.overview === null) return;
    this.overview = { ...this.overview, problems: patchProblems(this.overview.problems, { add: [problem] }, false) };
  }

  addEvents(events: Activity[]): void {
    if (this.overview !== null) this.overview = { ...this.overview, events: patchEvents(this.overview.events, events, false) };
  }

  toast(text: string, undo: (() => void) | null = null, bad = false): void {
    this.#toast += 1;
    const id = this.#toast;
    this.toasts = [...this.toasts.slice(-2), { id, text, undo, bad }];
    this.expire(id);
  }

  /** Says why something that was wanted did not happen. */
  failed(why: unknown): void {
    this.toast(why instanceof Error ? why.message : String(why), null, true);
  }

  /** Takes a toast away later; not while the focus is in it. */
  expire(id: number): void {
    setTimeout(() => {
      if (document.activeElement?.closest(`[data-toast="${id}"]`)) this.expire(id);
      else this.dismiss(id);
    }, TOAST_MS);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }
}

export const store = new Store();
