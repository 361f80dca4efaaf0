/** From pressing Listen to pressing Stop: keeps a stream open, whatever happens to the model and the server meanwhile. */

import { byId, setNote, setText } from "./dom";
import { clock, duration } from "./format";
import { Microphone, Piece } from "./microphone";
import { Monitor } from "./monitor";
import { Realtime } from "./realtime";
import { Transcript } from "./transcript";

type Phase = "idle" | "starting" | "listening" | "stopping";

const KEPT_SECONDS = 30;  // of what is said while there is no stream
const REFUSED = 1008;     // WebSocket close code: no key, or a wrong one
/** A stream opened now is served, at once or when the model is READY. */
const SERVES = ["ok", "degraded", "resting", "loading"];

export class Listening {
  private phase: Phase = "idle";
  private microphone: Microphone | undefined;
  private stream: Realtime | undefined;
  private pieces: Int16Array[] = [];
  private began = 0;
  private ticking = 0;
  private brokenAt = 0;  // performance.now() when the last stream ended
  private lastDelay = "";
  private trouble = "";  // the server's last words
  private readonly button = byId<HTMLButtonElement>("listen");
  private readonly meter = byId<HTMLMeterElement>("level");

  constructor(private readonly transcript: Transcript, private readonly monitor: Monitor,
              private readonly model: () => string, private readonly needsKey: (message: string) => void) {
    this.button.addEventListener("click", () => void (this.phase === "idle" ? this.start() : this.stop()));
  }

  /** To be called at every news of the server: a stream that ended begins again as soon as it can be served. */
  look(): void {
    const { latest, answers } = this.monitor;
    if (this.phase === "listening" && !this.stream && answers && latest && latest.asked > this.brokenAt &&
        SERVES.includes(latest.health.status)) {
      this.connect();
    }
    this.show();
  }

  /** Goes on with another model, once what was said to the old one is written: a server may allow one stream only. */
  async modelChanged(): Promise<void> {
    const before = this.stream;
    if (this.phase !== "listening" || !before) return;
    this.stream = undefined;
    this.brokenAt = Infinity;  // so that no news begins another one meanwhile
    this.show();
    await before.finish();
    if (this.listens()) this.connect();
  }

  private async start(): Promise<void> {
    this.trouble = "";
    this.lastDelay = "";
    this.pieces = [];
    this.brokenAt = 0;
    this.enter("starting");
    try {
      this.microphone = await Microphone.open((piece) => this.take(piece), () => this.lose());
    } catch (problem) {
      this.trouble = (problem as Error).message;
      return this.enter("idle");
    }
    this.began = performance.now();
    this.ticking = window.setInterval(() => this.show(), 500);
    this.enter("listening");
    this.connect();
  }

  private listens(): boolean {
    return this.phase === "listening";
  }

  private lose(): void {
    this.trouble = "The microphone was taken away.";
    void this.stop();
  }

  private async stop(): Promise<void> {
    if (this.phase !== "listening") return;
    this.microphone?.close();
    this.microphone = undefined;
    window.clearInterval(this.ticking);
    this.enter("stopping");
    await this.stream?.finish();
    this.stream = undefined;
    this.transcript.breakOffAll();
    this.enter("idle");
  }

  private connect(): void {
    const stream: Realtime = new Realtime(this.model(), this.microphone?.rate ?? 0, {
      partial: (item, text) => this.transcript.partial(item, text),
      final: (item, text, delay) => {
        this.transcript.final(item, text);
        if (text.trim()) this.lastDelay = duration(delay);
        this.trouble = "";
        this.show();
      },
      failed: (item, message) => {
        this.transcript.breakOff(item);
        this.say(message);
      },
      error: (message) => this.say(message),
      closed: (code) => {
        if (this.stream !== stream) return;
        this.stream = undefined;
        this.brokenAt = performance.now();
        this.transcript.breakOffAll();
        if (code === REFUSED) {
          const message = this.trouble;
          void this.stop().then(() => this.needsKey(message));
        }
        this.show();
        this.monitor.look();
      },
    });
    this.stream = stream;
    this.show();
  }

  private take({ pcm, rms }: Piece): void {
    const decibels = 20 * Math.log10(Math.max(rms, 1e-5));
    this.meter.value = Math.max(0, Math.min(1, (decibels + 60) / 60));
    this.pieces.push(pcm);
    while (this.stream?.willing && this.pieces.length) this.stream.send(this.pieces.shift() as Int16Array);
    const rate = this.microphone?.rate ?? Infinity;
    while (this.pieces.length * pcm.length > KEPT_SECONDS * rate) this.pieces.shift();
  }

  private say(message: string): void {
    this.trouble = message;
    this.show();
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    if (phase !== "listening") this.meter.value = 0;
    this.show();
  }

  /** What goes on, in a sentence. */
  private sentence(): string {
    if (this.phase === "starting") return "Asking for the microphone …";
    if (this.phase === "stopping") return "Waiting for the last words …";
    if (this.phase === "idle") return "";
    if (this.monitor.answers === false) return `No server. What you say now is kept for ${KEPT_SECONDS} s.`;
    if (this.brokenAt === Infinity && !this.stream) return "Changing the model. What you say is kept.";
    if (!this.stream) return "The stream has ended. It begins again when the model can serve it.";
    const state = this.monitor.latest?.health.status;
    if (state === "loading" || state === "error") return "Listening. What you say is kept until the model is READY.";
    return "Listening. Speak.";
  }

  private show(): void {
    const on = this.phase === "listening";
    setText(byId("listen-label"), on || this.phase === "stopping" ? "Stop" : "Listen");
    this.button.setAttribute("aria-pressed", String(on));
    // Not `disabled`, which would take the keyboard's focus away.
    this.button.setAttribute("aria-disabled", String(this.phase === "starting" || this.phase === "stopping"));
    byId("meters").hidden = !on;
    if (on) setText(byId("elapsed"), clock((performance.now() - this.began) / 1000));
    setText(byId("listen-note"), this.sentence());
    // Apart from the sentence, which is read aloud whenever it changes.
    setNote(byId("delay"), on && this.lastDelay ? `The last words were final ${this.lastDelay} after you paused.` : undefined);
    setNote(byId("trouble"), this.trouble);
  }
}
