/** The microphone as PCM16. */

import { address } from "./api";

const WANTED_RATE = 16_000;  // the engines': anything more is only sent and thrown away

export interface Piece {
  pcm: Int16Array;
  /** Root mean square, 0 to 1. */
  rms: number;
}

/** In the page's words, what a browser only has a name for. */
function inWords(problem: unknown): Error {
  const name = problem instanceof DOMException ? problem.name : "";
  if (name === "NotAllowedError") return new Error("The browser does not let this page use the microphone. Allow it in the address bar and press Listen again.");
  if (name === "NotFoundError") return new Error("This machine has no microphone. A file can be dropped instead.");
  if (name === "NotReadableError") return new Error("The microphone is used by another program.");
  return new Error(`The microphone cannot be used: ${problem instanceof Error ? problem.message : String(problem)}`);
}

export class Microphone {
  private constructor(private readonly stream: MediaStream, private readonly context: AudioContext) {}

  /** Errors: in words for people. `ended`: it was taken away. */
  static async open(take: (piece: Piece) => void, ended: () => void): Promise<Microphone> {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the microphone only to pages that come by https or from this machine. A file can be dropped instead.");
    }
    let stream: MediaStream | undefined;
    try {
      // Engines are trained on sound as it is; only a microphone that is too quiet is helped.
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
      });
      const opened = new Microphone(stream, await Microphone.connect(stream, take));
      stream.getAudioTracks()[0]?.addEventListener("ended", ended);
      return opened;
    } catch (problem) {
      for (const track of stream?.getTracks() ?? []) track.stop();
      throw inWords(problem);
    }
  }

  private static async connect(stream: MediaStream, take: (piece: Piece) => void): Promise<AudioContext> {
    for (const options of [{ sampleRate: WANTED_RATE }, {}]) {
      const context = new AudioContext(options);
      try {
        await context.audioWorklet.addModule(address("page-worklet.js"));
        const source = context.createMediaStreamSource(stream);
        const writer = new AudioWorkletNode(context, "pcm-writer", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
        writer.port.onmessage = (message: MessageEvent<Piece>) => take(message.data);
        source.connect(writer);
        await context.resume();
        return context;
      } catch (problem) {
        await context.close();
        // Some browsers resample nothing: then it is sent at the microphone's own rate.
        if (!("sampleRate" in options)) throw problem;
      }
    }
    throw new Error("unreachable");
  }

  get rate(): number {
    return this.context.sampleRate;
  }

  close(): void {
    for (const track of this.stream.getTracks()) track.stop();
    void this.context.close();
  }
}
