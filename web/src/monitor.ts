/** Keeps an eye on one model and on the server: asks again and again, at once after each transition. */

import { ask, getHealth, getModelStatus, Health, ModelStatus, NoAnswer, Refusal } from "./api";
import { eventsOf } from "./sse";

export interface Snapshot {
  status: ModelStatus;
  health: Health;
  /** performance.now() when it was asked for. */
  asked: number;
}

interface Listeners {
  news: (snapshot: Snapshot) => void;
  /** The server has stopped answering. */
  gone: () => void;
  /** It answers; the first time, or again. */
  back: () => void;
  /** The model is not known (any more). */
  unknown: (refusal: Refusal) => void;
}

const CALM_MS = 1000;
const BUSY_MS = 250;  // while there is a progress to show

/** Something moves by itself, so that people look. */
const moving = (state: string) => state !== "READY" && state !== "UNINITIALIZED";

export class Monitor {
  latest: Snapshot | undefined;
  answers: boolean | undefined;
  private model = "";
  private timer = 0;
  private asking = 0;  // number of the question whose answer counts
  private events: AbortController | undefined;

  constructor(private readonly listeners: Listeners) {
    // A hidden page holds no connection open: a browser has six for a server, whatever the number of its tabs.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stopEvents() : this.look()));
  }

  watch(model: string): void {
    if (model === this.model) return;
    this.model = model;
    this.look();
  }

  /** Asks now. */
  look(): void {
    window.clearTimeout(this.timer);
    void this.ask(++this.asking);
  }

  private async ask(number: number): Promise<void> {
    try {
      await this.find(number);
    } finally {
      if (number === this.asking) {
        const state = this.latest?.status.health.state ?? "";
        this.timer = window.setTimeout(() => this.look(), this.answers && moving(state) ? BUSY_MS : CALM_MS);
      }
    }
  }

  /** Tells what it finds, unless something newer has been asked meanwhile. */
  private async find(number: number): Promise<void> {
    const asked = performance.now();
    try {
      const [status, health] = await Promise.all([getModelStatus(this.model), getHealth(this.model)]);
      if (number !== this.asking) return;
      this.latest = { status, health, asked };
    } catch (problem) {
      if (number !== this.asking) return;
      if (problem instanceof Refusal) return this.listeners.unknown(problem);
      if (!(problem instanceof NoAnswer)) throw problem;
      this.stopEvents();
      const news = this.answers !== false;
      this.answers = false;
      if (news) this.listeners.gone();
      return;
    }
    const back = !this.answers;
    this.answers = true;
    if (back) this.listeners.back();
    if (!this.events && !document.hidden) void this.follow(this.latest.status.events.at(-1)?.sequence ?? 0);
    this.listeners.news(this.latest);
  }

  /** Looks whenever the server tells of a transition. Who may not see those still asks every second. */
  private async follow(after: number): Promise<void> {
    const events = new AbortController();
    this.events = events;
    try {
      const answer = await ask(`admin/events?after=${after}`, { signal: events.signal, headers: { Accept: "text/event-stream" } });
      if (!answer.ok) return;  // `events` stays: it is not tried again
      for await (const _ of eventsOf(answer)) this.look();
    } catch {
      // The next look tells whether the server is gone.
    }
    if (this.events === events) this.events = undefined;
  }

  private stopEvents(): void {
    this.events?.abort();
    this.events = undefined;
  }
}
