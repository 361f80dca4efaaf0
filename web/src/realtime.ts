/** One connection to /v1/realtime: PCM goes in, text comes out. */

import { address, apiKey } from "./api";

export interface Heard {
  /** More of what is being said. */
  partial: (item: string, text: string) => void;
  /** `delayMs`: since the server heard the end of it. */
  final: (item: string, text: string, delayMs: number) => void;
  failed: (item: string, message: string) => void;
  /** Something was wrong, in the server's words. */
  error: (message: string) => void;
  /** The connection has ended without being asked to. */
  closed: (code: number) => void;
}

interface ServerEvent {
  type: string;
  item_id?: string;
  delta?: string;
  transcript?: string;
  error?: { message: string; code: string; event_id?: string };
}

const TRANSCRIPTION = "conversation.item.input_audio_transcription.";
const LAST_COMMIT = "last_commit";
const FLUSH_MS = 15_000;     // for what is still being recognized at the end
const MOST_UNSENT = 1 << 20;  // bytes, before pieces wait here instead of in the browser

function base64(pcm: Int16Array): string {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Subprotocols may hold few characters; a key with others goes into the address. */
function connect(): WebSocket {
  const url = address("v1/realtime?intent=transcription");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const key = apiKey();
  if (!key) return new WebSocket(url);
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(key)) return new WebSocket(url, ["realtime", `openai-insecure-api-key.${key}`]);
  url.searchParams.set("api_key", key);
  return new WebSocket(url);
}

export class Realtime {
  /** Takes audio. */
  ready = false;
  private readonly socket = connect();
  private readonly texts = new Map<string, string>();  // of items that have no final yet
  private readonly stopped = new Map<string, number>();  // when the server heard the end of an item
  private finishing: (() => void) | undefined;
  private committed = false;  // the last commit has been answered

  constructor(model: string, rate: number, private readonly heard: Heard) {
    this.socket.onopen = () =>
      this.tell({
        type: "session.update",
        session: { type: "transcription", audio: { input: { format: { type: "audio/pcm", rate }, transcription: { model } } } },
      });
    this.socket.onmessage = (message: MessageEvent<string>) => this.take(JSON.parse(message.data) as ServerEvent);
    this.socket.onclose = ({ code }) => {
      this.ready = false;
      if (this.finishing) this.finishing();
      else this.heard.closed(code);
    };
  }

  get willing(): boolean {
    return this.ready && this.socket.bufferedAmount < MOST_UNSENT;
  }

  send(pcm: Int16Array): void {
    this.tell({ type: "input_audio_buffer.append", audio: base64(pcm) });
  }

  /** Ends what is being said and waits for its final, then closes. */
  async finish(): Promise<void> {
    if (this.socket.readyState === WebSocket.OPEN) {
      await new Promise<void>((resolve) => {
        this.finishing = resolve;
        window.setTimeout(resolve, FLUSH_MS);
        this.tell({ type: "input_audio_buffer.commit", event_id: LAST_COMMIT });
      });
    }
    this.abandon();
  }

  /** Closes and tells nothing more. */
  abandon(): void {
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
  }

  private tell(event: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  private take(event: ServerEvent): void {
    const item = event.item_id ?? "";
    switch (event.type) {
      case "session.updated":
        this.ready = true;
        break;
      case "input_audio_buffer.speech_started":
        this.texts.set(item, "");
        this.heard.partial(item, "");
        break;
      case "input_audio_buffer.speech_stopped":
        this.stopped.set(item, performance.now());
        break;
      case "input_audio_buffer.committed":
        if (this.finishing) this.committed = true;
        break;
      case TRANSCRIPTION + "delta":
        this.texts.set(item, (this.texts.get(item) ?? "") + (event.delta ?? ""));
        this.heard.partial(item, this.texts.get(item) ?? "");
        break;
      case TRANSCRIPTION + "completed":
        this.texts.delete(item);
        this.heard.final(item, event.transcript ?? "", performance.now() - (this.stopped.get(item) ?? performance.now()));
        this.stopped.delete(item);
        break;
      case TRANSCRIPTION + "failed":
        this.texts.delete(item);
        this.stopped.delete(item);
        this.heard.failed(item, event.error?.message ?? "it could not be recognized");
        break;
      case "error":
        // Silence has nothing to commit: that is no news.
        if (event.error?.event_id === LAST_COMMIT) this.committed = true;
        else this.heard.error(event.error?.message ?? "the server reported an error");
        break;
    }
    if (this.finishing && this.committed && this.texts.size === 0) this.finishing();
  }
}
