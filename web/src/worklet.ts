/** Runs on the browser's audio thread: samples of the microphone become pieces of PCM16, with how loud they are. */

declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const PIECES_PER_SECOND = 20;

class PcmWriter extends AudioWorkletProcessor {
  private piece = this.fresh();
  private filled = 0;
  private squares = 0;

  private fresh(): Int16Array {
    return new Int16Array(Math.round(sampleRate / PIECES_PER_SECOND));
  }

  process(inputs: Float32Array[][]): boolean {
    for (const sample of inputs[0]?.[0] ?? []) {
      const bounded = Math.max(-1, Math.min(1, sample));
      this.piece[this.filled++] = Math.round(bounded * 32767);
      this.squares += bounded * bounded;
      if (this.filled === this.piece.length) this.send();
    }
    return true;
  }

  private send(): void {
    const rms = Math.sqrt(this.squares / this.filled);
    this.port.postMessage({ pcm: this.piece, rms }, [this.piece.buffer]);
    this.piece = this.fresh();
    this.filled = 0;
    this.squares = 0;
  }
}

registerProcessor("pcm-writer", PcmWriter);

export {};
