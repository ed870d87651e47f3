// The WebSocket of the page: connects, comes back, keeps the order, and hands whole frames to the store.
import { protocols } from './api.ts';
import type { Frame } from './api-types.ts';
import { Sequence, wait } from './live.ts';

/** A connection without any message for this long is dead, whatever the browser thinks: the server pings each 20 s. */
const SILENT_MS = 45_000;
/** The code with which the server closes where the session is over, or its user is another one now. */
const SIGNED_OUT = 4401;
/** After this many tries without a greeting the page asks by plain requests instead, and goes on trying. */
const TRIES_BEFORE_POLLING = 2;

export type Link = 'connecting' | 'live' | 'lost';

export interface SocketEvents {
  frame(frame: Frame): void;
  link(link: Link): void;
  /** Messages were missed; the whole of what is shown follows by itself. */
  gap(): void;
  /** The server says that the session is over. */
  ended(): void;
  /** Polling is wanted (true) or no longer needed (false). */
  polling(wanted: boolean): void;
}

/** What the page wants to be told. */
export interface Subscription {
  sub: string[];
  rows: number[];
}

export class Socket {
  readonly #events: SocketEvents;
  readonly #sequence = new Sequence();
  #socket: WebSocket | null = null;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #wanted: Subscription = { sub: [], rows: [] };
  #sent = '';
  #closed = false;
  #polling = false;

  constructor(events: SocketEvents) {
    this.#events = events;
    addEventListener('online', this.#now);
    document.addEventListener('visibilitychange', this.#seen);
    this.#open();
  }

  /** Replaces what the page wants to be told; sent once, however many views ask within one task. */
  want(subscription: Subscription): void {
    this.#wanted = subscription;
    this.#subscribe();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
    removeEventListener('online', this.#now);
    document.removeEventListener('visibilitychange', this.#seen);
    this.#socket?.close();
    this.#socket = null;
  }

  #now = (): void => {
    if (this.#socket === null && !this.#closed) {
      this.#tries = 0;
      this.#open();
    }
  };

  #seen = (): void => {
    if (document.visibilityState === 'visible') this.#now();
  };

  #subscribe(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify(this.#wanted);
    if (text === this.#sent) return;
    this.#sent = text;
    this.#socket.send(text);
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#events.link('connecting');
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, protocols());
    this.#socket = socket;
    socket.onopen = () => {
      this.#sent = '';
      this.#listen();
      this.#subscribe();
    };
    socket.onmessage = (message) => {
      if (typeof message.data !== 'string') return;
      this.#listen();
      let frame: Frame;
      try {
        frame = JSON.parse(message.data) as Frame;
      } catch {
        return;
      }
      this.#take(frame);
    };
    socket.onclose = (event) => {
      const isOurs = this.#socket === socket && !this.#closed;
      this.#lost(socket);
      if (isOurs && event.code === SIGNED_OUT) this.#events.ended();
    };
  }

  #take(frame: Frame): void {
    switch (this.#sequence.take(frame)) {
      case 'greet':
        this.#tries = 0;
        if (this.#polling) this.#events.polling(false);
        this.#polling = false;
        this.#events.link('live');
        this.#events.frame(frame);
        break;
      case 'apply':
        this.#events.frame(frame);
        break;
      case 'gap':
        // A server that fell behind says so and sends the whole by itself. A hole that it does not know of means that the
        // way between is not to be trusted: begin again.
        this.#events.gap();
        if (frame.type !== 'gap') this.#socket?.close();
        break;
      case 'drop':
        break;
    }
  }

  #listen(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#socket?.close(), SILENT_MS);
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket || this.#closed) return;
    clearTimeout(this.#quiet);
    this.#socket = null;
    this.#events.link('lost');
    this.#tries += 1;
    if (this.#tries > TRIES_BEFORE_POLLING && !this.#polling) {
      this.#polling = true;
      this.#events.polling(true);
    }
    this.#timer = setTimeout(() => this.#open(), wait(this.#tries - 1, Math.random()));
  }
}
