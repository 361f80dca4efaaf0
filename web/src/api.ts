/** The server's HTTP API, as far as the page uses it. docs/api.md describes all of it. */

export interface Transition {
  sequence: number;
  time: string;
  model: string;
  instance: string;
  from: string;
  to: string;
  cause: string;
  phase_ms: number;
}

export interface LevelReport {
  level: number;
  name: string;
  inferences: number;
  first_ms: number;
  p50_ms: number;
  p95_ms: number;
  last_ms: number;
  real_time_factor: number;
  duration_ms: number;
  converged?: boolean;
  skipped: string[];
}

export interface WarmupReport {
  level: number;
  complete: boolean;
  levels: LevelReport[];
  cold_penalty: number;
  steady_ms: number;
  clip_seconds: number;
  word_error_rate?: number;
  budget_note: string;
}

/** GET /model-status */
export interface ModelStatus {
  model: string;
  health: {
    state: string;
    warmup_complete: boolean;
    load_time_ms: number;
    warmup_time_ms: number;
    last_error?: string;
    instance: string;
    attempt: number;
    warmup_level: number;
    bytes_read: number;
    bytes_total: number;
    eta_seconds?: number;
    backend: string;
    threads: number;
  };
  stats: {
    provider: string;
    inference_count: number;
    avg_inference_ms: number;
    slots: number;
    busy: number;
    waiting: number;
    max_waiting: number;
  };
  warmup?: WarmupReport;
  events: Transition[];
}

/** GET /health */
export interface Health {
  status: "ok" | "degraded" | "resting" | "loading" | "error" | "stopping";
  version: string;
  model: string;
  server_rss_mb: number;
  model_rss_mb: number;
  uptime_s: number;
  reason?: string;
  retry_in_seconds?: number;
  served_by?: string;
  warning?: string;
  live: { streams: number; max_streams: number; level: string; lateness_seconds: number; backlog_seconds: number };
}

/** One of GET /v1/models */
export interface Model {
  id: string;
  state: string;
  aliases: string[];
}

/** GET /suggestion */
export interface Suggestion {
  measured: string;
  available_memory_bytes: number;
  multilingual: string;
  english: string;
  models: SuggestedModel[];
}
export interface SuggestedModel {
  name: string;
  note: string;
  memory_bytes: number;
  seconds_per_minute: number;
  fits: boolean;
  live: boolean;
  state: "here" | "cached" | "available";
}

/** The server refused, in its own words. */
export class Refusal extends Error {
  constructor(readonly status: number, message: string, readonly code = "") {
    super(message);
  }
  get needsKey(): boolean {
    return this.status === 401 || this.code === "key_forbidden";
  }
}

/** There was no answer at all. */
export class NoAnswer extends Error {}

const KEY = "hotmic.api_key";
const PATIENCE_MS = 8000;

/** Where the server is: the page may be behind a proxy that puts it into a folder. */
export function address(path: string): URL {
  return new URL(path, document.baseURI);
}

/** The key lives as long as the tab. */
export function apiKey(): string {
  return sessionStorage.getItem(KEY) ?? "";
}
export function setApiKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

/** Asks, with the key. Errors: NoAnswer; what the server refuses is an ordinary answer here. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey()) headers.set("Authorization", `Bearer ${apiKey()}`);
  try {
    return await fetch(address(path), { ...init, headers, cache: "no-store" });
  } catch (problem) {
    if (init.signal?.aborted && (init.signal.reason as Error | undefined)?.name === "AbortError") throw problem;
    throw new NoAnswer("the server does not answer");
  }
}

/** What a refused answer says. */
export async function refusalOf(answer: Response): Promise<Refusal> {
  try {
    const { error } = (await answer.json()) as { error: { message: string; code: string } };
    return new Refusal(answer.status, error.message, error.code);
  } catch {
    return new Refusal(answer.status, `the server answered ${answer.status} ${answer.statusText}`);
  }
}

/** How far the server's clock is ahead of ours, in ms; what its Date header cannot tell apart is none. */
let ahead = 0;
function compareClocks(answer: Response): void {
  const difference = Date.parse(answer.headers.get("date") ?? "") - Date.now();
  ahead = Math.abs(difference) > 2000 ? difference : 0;
}
/** Seconds since a time that the server told. */
export function secondsSince(time: string): number {
  return Math.max(0, (Date.now() + ahead - Date.parse(time)) / 1000);
}

async function json<Body>(path: string, fine: (status: number) => boolean = (status) => status === 200): Promise<Body> {
  const answer = await ask(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!fine(answer.status)) throw await refusalOf(answer);
  compareClocks(answer);
  try {
    return (await answer.json()) as Body;
  } catch {
    throw new NoAnswer("the server's answer broke off");
  }
}

const ofModel = (model: string) => (model ? `?model=${encodeURIComponent(model)}` : "");

export const getModels = async () => (await json<{ data: Model[] }>("v1/models")).data;
export const getModelStatus = (model: string) => json<ModelStatus>(`model-status${ofModel(model)}`);
/** 503 is an answer, too: it says why the model is not READY. */
export const getHealth = (model: string) =>
  json<Health>(`health${ofModel(model)}`, (status) => status === 200 || status === 503);
export const getSuggestion = () => json<Suggestion>("suggestion");
