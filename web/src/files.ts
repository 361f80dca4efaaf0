/** Recordings that were chosen or dropped: one after the other, each with its text as it is decoded. */

import { ask, NoAnswer, Refusal, refusalOf } from "./api";
import { byId, make, setText } from "./dom";
import { clock, mebibytes } from "./format";
import { Monitor } from "./monitor";
import { eventsOf } from "./sse";
import { Transcript } from "./transcript";

interface StreamEvent {
  type?: string;
  delta?: string;
  text?: string;
  error?: { message: string; code: string };
}

/** One recording on its way, and the line that shows it. */
class Upload {
  private readonly abort = new AbortController();
  private readonly note = make("span", { class: "note" });
  private readonly line: HTMLElement;

  constructor(readonly file: File, parent: HTMLElement) {
    const cancel = make("button", { type: "button", class: "small", "aria-label": `Cancel ${file.name}` }, "Cancel");
    cancel.addEventListener("click", () => this.cancel());
    this.line = make("li", {}, make("span", { class: "label" }, file.name), this.note, cancel);
    parent.append(this.line);
    this.say("waits");
  }

  get cancelled(): boolean {
    return this.abort.signal.aborted;
  }
  say(text: string): void {
    setText(this.note, text);
  }
  cancel(): void {
    this.abort.abort();
    this.line.remove();
  }
  done(): void {
    this.line.remove();
  }
  /** The line stays, with what went wrong, until it is dismissed. */
  fail(message: string): void {
    this.line.classList.add("failed");
    this.line.setAttribute("role", "alert");
    this.say(message);
    const button = this.line.querySelector("button");
    if (!button) return;
    setText(button, "Dismiss");
    button.setAttribute("aria-label", `Dismiss ${this.file.name}`);
  }

  /** Errors: Refusal, NoAnswer. */
  async send(model: string, show: (text: string) => void): Promise<void> {
    const form = new FormData();
    if (model) form.set("model", model);
    form.set("stream", "true");
    form.set("file", this.file);
    const answer = await ask("v1/audio/transcriptions", { method: "POST", body: form, signal: this.abort.signal });
    if (!answer.ok) throw await refusalOf(answer);
    let text = "";
    let whole = false;
    try {
      for await (const data of eventsOf(answer)) {
        if (data === "[DONE]") continue;
        const event = JSON.parse(data) as StreamEvent;
        if (event.error) throw new Refusal(answer.status, event.error.message, event.error.code);
        if (event.type === "transcript.text.delta") show((text += event.delta ?? ""));
        if (event.type === "transcript.text.done") {
          whole = true;
          show(event.text || "(no speech)");
        }
      }
    } catch (problem) {
      if (problem instanceof Refusal || this.cancelled) throw problem;
    }
    if (!whole) throw new NoAnswer("the answer broke off");
  }
}

export class Files {
  private readonly waiting: Upload[] = [];
  private working = false;
  private readonly list = byId("uploads");

  constructor(private readonly transcript: Transcript, private readonly monitor: Monitor,
              private readonly model: () => string, private readonly needsKey: (message: string) => void) {
    const chooser = byId<HTMLInputElement>("file");
    byId("choose").addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      this.add(chooser.files);
      chooser.value = "";
    });
    this.acceptDrops();
  }

  /** To be called at every news of the server: what waits for the model goes on. */
  look(): void {
    void this.work();
  }

  private acceptDrops(): void {
    let depth = 0;
    const mark = (by: number) => {
      depth = Math.max(0, depth + by);
      document.body.classList.toggle("dropping", depth > 0);
    };
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragenter", (event) => files(event) && mark(1));
    document.addEventListener("dragleave", (event) => files(event) && mark(-1));
    document.addEventListener("dragover", (event) => files(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      mark(-depth);
      this.add(event.dataTransfer?.files ?? null);
    });
  }

  private add(files: FileList | null): void {
    for (const file of files ?? []) this.waiting.push(new Upload(file, this.list));
    void this.work();
  }

  /** Why nothing can be sent now; empty: it can. A model that will not come by itself is asked all the same: its refusal says why. */
  private reasonToWait(): string {
    const { latest, answers } = this.monitor;
    if (answers === false) return "waits for the server";
    const coming = latest?.health.status === "loading" ||
      (latest?.health.status === "error" && latest.health.retry_in_seconds !== undefined);
    return coming ? "waits until the model is READY" : "";
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    while (this.waiting.length) {
      const upload = this.waiting[0] as Upload;
      const reason = upload.cancelled ? "" : this.reasonToWait();
      if (reason) {
        for (const each of this.waiting) each.say(reason);
        break;
      }
      this.waiting.shift();
      if (!upload.cancelled) await this.transcribe(upload);
    }
    this.working = false;
  }

  private async transcribe(upload: Upload): Promise<void> {
    const began = performance.now();
    const size = mebibytes(upload.file.size / 2 ** 20);
    const tell = () => upload.say(`${size}, ${clock((performance.now() - began) / 1000)}`);
    tell();
    const ticking = window.setInterval(tell, 500);
    try {
      await upload.send(this.model(), this.transcript.file(upload.file.name));
      upload.done();
    } catch (problem) {
      if (upload.cancelled) return;
      if (problem instanceof Refusal && problem.needsKey) this.needsKey(problem.message);
      upload.fail((problem as Error).message);
    } finally {
      window.clearInterval(ticking);
    }
  }
}
