/** What is known of the model and the server, in figures. */

import { LevelReport, ModelStatus, secondsSince, Transition } from "./api";
import { byId, make, setNote, setText } from "./dom";
import { duration, longDuration, mebibytes, milliseconds, timeOfDay } from "./format";
import { Snapshot } from "./monitor";
import { drawLoad, drawWarmup, mostLoad, Sample } from "./plot";

const HISTORY_SECONDS = 120;
const EVENTS_SHOWN = 30;
/** What live streams go without at each level of service; docs/streaming.md. */
const LEVELS: Record<string, string> = {
  normal: "normal",
  fewer_partials: "fewer partials",
  no_partials: "only finals",
  late_finals: "only finals, and late",
};

/** When the model came into its state. */
function since(status: ModelStatus): Transition | undefined {
  return status.events.findLast((each) => each.model === status.model && each.to === status.health.state);
}

const sentence = (words: string) => (words ? `${words[0]?.toUpperCase()}${words.slice(1)}.` : "");

/** Calls `draw` only when what it draws has changed. */
function whenChanged<Value>(draw: (value: Value) => void): (value: Value) => void {
  let before = "";
  return (value) => {
    const now = JSON.stringify(value);
    if (now !== before) draw(value);
    before = now;
  };
}

export class Panel {
  private history: Sample[] = [];
  private of = "";

  show({ status, health, asked }: Snapshot): void {
    if (this.of !== status.model) this.history = [];
    this.of = status.model;
    this.showState(status, health.status === "resting");
    this.showPhases(status);
    this.showProgress(status);
    // While it loads the progress says all of it, and what rests is well.
    const notes = [status.health.state === "LOADING" || health.status === "resting" ? "" : (health.reason ?? ""), health.warning ?? "",
                   health.served_by ? `Requests are served by ${health.served_by} meanwhile.` : "",
                   health.retry_in_seconds !== undefined ? `The next attempt begins in ${longDuration(Math.ceil(health.retry_in_seconds))}.` : ""];
    setNote(byId("reason"), notes.filter(Boolean).join(" "));
    this.showWarmup({ warmup: status.warmup, state: status.health.state });
    this.showEvents({ events: status.events.slice(-EVENTS_SHOWN) });

    const { stats } = status;
    this.history.push({ at: asked / 1000, busy: stats.busy, waiting: stats.waiting });
    this.history = this.history.filter((each) => each.at > asked / 1000 - HISTORY_SECONDS);
    this.showSlots({ slots: stats.slots, busy: stats.busy });
    byId("load-plot").replaceChildren(drawLoad(this.history, stats.slots, HISTORY_SECONDS));
    setText(byId("load-most"), String(mostLoad(this.history, stats.slots)));
    setText(byId("slots-note"), stats.slots ? `${stats.busy} of ${stats.slots} busy` : "none yet");
    setText(byId("queue"), stats.slots ? `${stats.waiting} of at most ${stats.max_waiting}` : "–");
    setText(byId("requests"), stats.inference_count ? `${stats.inference_count}, ${duration(stats.avg_inference_ms)} each` : "none yet");
    setText(byId("streams"), `${health.live.streams} of at most ${health.live.max_streams}`);
    setText(byId("live-level"), LEVELS[health.live.level] ?? health.live.level);
    byId("live-level").classList.toggle("strained", health.live.level !== "normal");
    setText(byId("memory"), `${mebibytes(health.model_rss_mb)} model, ${mebibytes(health.server_rss_mb)} server`);
    setText(byId("uptime"), longDuration(health.uptime_s));
    setText(byId("version"), health.version);
    setText(byId("engine"), [stats.provider, status.health.backend, status.health.threads ? `${status.health.threads} ${status.health.threads === 1 ? "thread" : "threads"}` : "",
                             status.health.attempt > 1 ? `attempt ${status.health.attempt}` : ""].filter(Boolean).join(" · "));
  }

  /** Nothing is known any more: the last figures stay, and look it. */
  gone(): void {
    this.paint("GONE", "no answer");
  }

  private showState(status: ModelStatus, resting: boolean): void {
    const { state, warmup_level: level } = status.health;
    const began = since(status);
    const details = {
      LOADING: status.health.bytes_total ? `${Math.floor((100 * status.health.bytes_read) / status.health.bytes_total)} %` : "",
      WARMING_UP: level ? `level ${level}` : "",
      READY: began ? `for ${longDuration(secondsSince(began.time))}` : "",
      UNINITIALIZED: resting ? "resting: the next request loads it" : "",
    } as Record<string, string>;
    this.paint(state, details[state] ?? "");
  }

  private paint(state: string, detail: string): void {
    byId("state").dataset["state"] = state;
    setText(byId("state-name"), state === "GONE" ? "NO SERVER" : state);
    setText(byId("state-detail"), detail);
    document.title = `${state === "GONE" ? "no server" : state} · hotmic`;
    document.body.classList.toggle("stale", state === "GONE");
  }

  private showPhases(status: ModelStatus): void {
    const { state, load_time_ms: loading, warmup_time_ms: warming } = status.health;
    const began = since(status);
    const running = began ? duration(1000 * secondsSince(began.time)) : "";
    const order = ["LOADING", "WARMING_UP", "READY"];
    const at = order.indexOf(state);
    const times: Record<string, string> = {
      LOADING: at > 0 && loading ? duration(loading) : "",
      WARMING_UP: at > 1 ? (status.health.warmup_complete ? duration(warming) : "not done") : "",
      READY: at === 2 && began ? timeOfDay(new Date(began.time)) : "",
    };
    for (const [place, name] of order.entries()) {
      const step = byId(`phase-${name}`);
      step.dataset["progress"] = at < 0 || place > at ? "ahead" : place === at ? "now" : "done";
      if (place === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
      const level = name === "WARMING_UP" && place === at && status.health.warmup_level ? `level ${status.health.warmup_level}, ` : "";
      setText(byId(`time-${name}`), place === at && at < 2 ? level + running : times[name] || "–");
    }
  }

  private showProgress({ health }: ModelStatus): void {
    const box = byId("progress");
    box.hidden = health.state !== "LOADING";
    if (box.hidden) return;
    const bar = byId<HTMLProgressElement>("progress-bar");
    if (health.bytes_total) {
      bar.max = health.bytes_total;
      bar.value = health.bytes_read;
    } else {
      bar.removeAttribute("value");  // under way, and nobody knows how far
    }
    const read = health.bytes_total ? `${mebibytes(health.bytes_read / 2 ** 20)} of ${mebibytes(health.bytes_total / 2 ** 20)}` : "begun";
    setText(byId("progress-note"), read + (health.eta_seconds === undefined ? "" : `, about ${duration(health.eta_seconds * 1000)} to go`));
  }

  private readonly showWarmup = whenChanged(({ warmup, state }: { warmup: ModelStatus["warmup"]; state: string }) => {
    const levels = warmup?.levels ?? [];
    byId("warmup-figure").hidden = levels.length === 0;
    setNote(byId("warmup-none"), levels.length ? "" : state === "READY" ? "Level 0: nothing was run before READY." : "No figures yet.");
    if (!warmup || levels.length === 0) return;
    byId("warmup-plot").replaceChildren(drawWarmup(warmup));
    const facts = [warmup.steady_ms ? `Steady: ${duration(warmup.steady_ms)} for ${warmup.clip_seconds.toFixed(1)} s of speech.` : "",
                   warmup.cold_penalty ? `The first request took ${warmup.cold_penalty.toFixed(1)} × that.` : "",
                   warmup.word_error_rate === undefined ? "" : `${Math.round(100 * warmup.word_error_rate)} % of the clip's words wrong.`,
                   warmup.complete ? "" : "Not complete.", sentence(warmup.budget_note)];
    setText(byId("warmup-facts"), facts.filter(Boolean).join(" "));
    const row = (each: LevelReport) => make("tr", {}, make("th", { scope: "row" }, `${each.level} ${each.name}`),
      ...[String(each.inferences), ...[each.first_ms, each.p50_ms, each.p95_ms, each.last_ms].map(milliseconds),
          each.real_time_factor.toPrecision(2)].map((figure) => make("td", {}, figure)));
    byId("warmup-rows").replaceChildren(...levels.map(row));
  });

  private readonly showSlots = whenChanged(({ slots, busy }: { slots: number; busy: number }) => {
    const each = (_: unknown, index: number) => make("span", { class: index < busy ? "slot busy" : "slot" });
    byId("slots").replaceChildren(...Array.from({ length: slots }, each));
  });

  private readonly showEvents = whenChanged(({ events }: { events: Transition[] }) => {
    const line = (each: Transition) => make("li", { "data-to": each.to },
      make("time", { datetime: each.time }, timeOfDay(new Date(each.time))),
      make("div", {}, make("span", { class: "change" }, make("b", {}, each.model), ` ${each.from} → `, make("b", { class: "to" }, each.to)),
           make("span", { class: "cause" }, `${each.cause} · after ${duration(each.phase_ms)}`)));
    byId("events").replaceChildren(...events.toReversed().map(line));
    byId("events-none").hidden = events.length > 0;
  });
}
