// One way to the server: same origin, JSON, problem documents, and the header that a write needs.
import type { ProblemDocument } from './api-types.ts';
import { refusal, told } from './format.ts';

/** Requests that take longer than this are given up: the page says so instead of waiting without end. */
const GIVE_UP_MS = 20_000;

/** A request that failed: `status` 0 means that no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: ProblemDocument | null;
  /** Seconds that the server asks to wait, if it says so. */
  readonly retryAfter: number | null;

  constructor(status: number, problem: ProblemDocument | null, retryAfter: number | null) {
    super(problem?.detail ?? problem?.title ?? told(status === 0 ? 'no answer' : `status ${status}`));
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** What is wrong with one field of the sent form. */
  field(name: string): string | null {
    return this.problem?.errors?.find((error) => error.field === name)?.detail ?? null;
  }
}

/** Called when the server no longer knows the session. */
let signedOut: () => void = () => {};
/** Called when the server has no administrator yet. */
let unset: () => void = () => {};
/** Called when the server refuses what the page has offered: what the user may do may have changed. */
let refused: () => void = () => {};

export function onRefusal(handlers: { signedOut: () => void; unset: () => void; refused: () => void }): void {
  signedOut = handlers.signedOut;
  unset = handlers.unset;
  refused = handlers.refused;
}

/** The token of a screen that nobody signs in at; sessions of browsers go by cookie. */
let bearer: string | null = null;

/** Has every request prove itself with `token`. */
export function bear(token: string): void {
  bearer = token;
}

/** What a WebSocket offers: it can carry no header, so a token stands beside the protocol, which the server chooses. */
export const protocols = (): string[] => (bearer === null ? [] : ['hark', `hark.bearer.${bearer}`]);

/** The document with the words of the reader; names and numbers in it stay what they are. */
function inWords(document: ProblemDocument): ProblemDocument {
  const errors = document.errors?.map((error) => ({ ...error, detail: told(error.detail) }));
  if (errors === undefined || errors.length === 0) return { ...document, detail: refusal(document.type, document.detail ?? document.title) };
  return { ...document, errors, detail: errors.map(({ field, detail }) => (field === '' ? detail : `${field}: ${detail}`)).join('; ') };
}

async function problem(answer: Response): Promise<ProblemDocument | null> {
  if (!answer.headers.get('content-type')?.includes('json')) return null;
  try {
    return inWords((await answer.json()) as ProblemDocument);
  } catch {
    return null;
  }
}

async function send(method: string, path: string, body: unknown, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const limit = AbortSignal.timeout(GIVE_UP_MS);
  const init: RequestInit = {
    method,
    credentials: 'same-origin',
    headers: { accept: 'application/json', ...headers },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  };
  if (method !== 'GET') Object.assign(init.headers as object, { 'x-hark-csrf': '1' });
  if (bearer !== null) Object.assign(init.headers as object, { authorization: `Bearer ${bearer}` });
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    Object.assign(init.headers as object, { 'content-type': 'application/json' });
  }
  let answer: Response;
  try {
    answer = await fetch(`/api/0${path}`, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, null, null);
  }
  if (answer.ok || answer.status === 304) return answer;
  const found = await problem(answer);
  if (answer.status === 401 && !path.startsWith('/auth/')) signedOut();
  if (answer.status === 403 && found?.type.endsWith('/problems/setup-required')) unset();
  else if (answer.status === 403 && !path.startsWith('/auth/')) refused();
  const after = Number(answer.headers.get('retry-after'));
  throw new ApiError(answer.status, found, Number.isFinite(after) && after > 0 ? after : null);
}

/** Reads a resource. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send('GET', path, undefined, {}, signal)).json()) as T;
}

/** Reads a resource that has an entity tag; null when it has not changed. */
export async function getIfChanged<T>(path: string, etag: string | null): Promise<{ body: T; etag: string | null } | null> {
  const answer = await send('GET', path, undefined, etag === null ? {} : { 'if-none-match': etag });
  if (answer.status === 304) return null;
  return { body: (await answer.json()) as T, etag: answer.headers.get('etag') };
}

/** Writes; returns the answer's body, or undefined when it has none. */
export async function write<T = undefined>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await send(method, path, body, headers);
  if (answer.status === 204 || answer.headers.get('content-length') === '0') return undefined as T;
  const text = await answer.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Joins query parameters, leaving out what is empty. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') out.set(name, String(value));
  }
  const text = out.toString();
  return text === '' ? '' : `?${text}`;
}
