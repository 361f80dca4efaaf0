#!/usr/bin/env python3
"""Whether files are heard right, whatever lies between what is said.

usage: dev/in bench/heard.py MODEL [--provider NAME] [--minutes M] [--speech FOLDER] [--bin FOLDER]

Audio is made out of the clips of --speech (default ../shared/speech, with a manifest.tsv) and asked for over HTTP.

  no speech   --minutes of silence, room noise, tones and music, each with the language given and not: the words that came
  joined      the English clips in one file, with pauses between them: word errors, and those of the clips one by one, in percent; and those
              of clips of 30 s and more
  times       English clips with a pause put into their own pauses: how far starts of words, and edges of cues, are from the sound
  quiet       English clips at a mean of -40 and -50 dBFS: those of which nothing was heard
  work        seconds of processor time of server and worker for a second of audio without speech: what the detector costs, and more
"""

import argparse
import itertools
import math
import statistics
import sys
import tempfile
import wave
from pathlib import Path

import numpy

import common
from hotmic_py import SOURCE, Server
from peers import clips, errors, words
from streaming import percentile

RATE = 16000
FRAME = RATE // 100
MINUTE = 60 * RATE
PAUSES = [0.3, 1, 5, 20]


def read(path):
    """Samples of -1 to 1, at RATE."""
    done = common.subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-ar", str(RATE), "-ac", "1", "-f", "f32le", "-"], check=True, capture_output=True)
    return numpy.frombuffer(done.stdout, numpy.float32)


def write(samples, path):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((numpy.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def at_level(samples, dbfs):
    return samples * (10 ** (dbfs / 20) / max(1e-9, math.sqrt(float(numpy.mean(samples**2)))))


def for_a_minute(samples):
    return numpy.resize(samples, MINUTE)


def noise(random, tilt):
    """A minute of noise; its power falls with frequency to the power of `tilt`: 0 is white, 1 pink, 2 brown."""
    spectrum = numpy.fft.rfft(random.standard_normal(MINUTE))
    frequency = numpy.maximum(numpy.arange(len(spectrum)), 20 * 60) / 60
    return numpy.fft.irfft(spectrum / frequency ** (tilt / 2), MINUTE)


def tone(random):
    """Beeps, a hum, two tones of a telephone, a tone that glides."""
    time = numpy.arange(MINUTE) / RATE
    low, high = random.uniform(60, 900), random.uniform(1000, 3000)
    return random.choice(4, 1)[0], [
        numpy.sin(2 * math.pi * high * time) * (time % 1 < 0.2),
        numpy.sin(2 * math.pi * low * time) + 0.3 * numpy.sin(4 * math.pi * low * time),
        numpy.sin(2 * math.pi * 770 * time) + numpy.sin(2 * math.pi * 1336 * time),
        numpy.sin(2 * math.pi * (low * time + (high - low) / 120 * time**2)),
    ]


def chords(random):
    """Three plucked voices over a drum."""
    time = numpy.arange(RATE // 2) / RATE
    beats = []
    for beat in range(MINUTE // len(time)):
        root = 110 * 2 ** (random.choice([0, 3, 5, 7, 10]) / 12)
        voices = sum(numpy.sin(2 * math.pi * root * ratio * harmonic * time) / harmonic for ratio in (1, 1.26, 1.5) for harmonic in range(1, 6))
        drum = random.standard_normal(len(time)) * numpy.exp(-time * 40) * (beat % 2)
        beats.append(voices * numpy.exp(-time * 3) + drum)
    return numpy.concatenate(beats)


def without_speech(folder, minutes):
    """(kind, a minute of it), over and over until there is enough."""
    random = numpy.random.default_rng(1)
    recorded = {kind: [for_a_minute(read(path)) for path in sorted(folder.glob(pattern))]
                for kind, pattern in (("room noise", "none-n*.wav"), ("tones", "none-tone.wav"), ("music", "none-[mt][ur]*.wav"))}
    made = {
        "silence": lambda: numpy.zeros(MINUTE),
        "room noise": lambda: noise(random, random.uniform(0, 2)),
        "tones": lambda: (lambda which, tones: tones[which])(*tone(random)),
        "music": lambda: chords(random),
    }
    kinds = itertools.cycle(made)
    for number in range(minutes):
        kind = next(kinds)
        real = recorded.get(kind)
        samples = real.pop() if real else made[kind]()
        yield kind, at_level(samples, [-50, -40, -30, -20][number // len(made) % 4]) if kind != "silence" else samples


def runs(flags):
    """(first, behind the last) of each run of true ones."""
    return numpy.flatnonzero(numpy.diff(numpy.concatenate([[False], flags, [False]]).astype(int))).reshape(-1, 2)


def widened(samples, pause):
    """The clip with `pause` seconds of silence in the middle of each of its own pauses of 0.25 s and more; and [(where the sound ends before
    it, where it begins again)]. Sound is what is within 30 dB of the loudest for 50 ms: a click is none."""
    frames = numpy.sqrt(numpy.mean(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1))
    spoken = [(begin, end) for begin, end in runs(frames > frames.max() / 10**1.5) if end - begin >= 5]
    parts, edges, at, added = [], [], 0, 0
    for (_, ended), (began, _) in itertools.pairwise(spoken):
        if began - ended < 25:
            continue
        cut = (ended + began) // 2 * FRAME
        parts += [samples[at:cut], numpy.zeros(int(pause * RATE), numpy.float32)]
        edges.append((ended / 100 + added, began / 100 + added + pause))
        added += pause
        at = cut
    return numpy.concatenate([*parts, samples[at:]]), edges


class Bench:
    def __init__(self, server, folder, every):
        self.server, self.folder = server, Path(folder)
        self.every = [clip for clip in every if clip[1] < 30]
        self.long = [clip for clip in every if clip[1] >= 30]
        self.samples = {path: read(path) for path, *_ in self.every}

    def hear(self, samples, **fields):
        answer = self.server.transcribe(write(samples, self.folder / "asked.wav"), response_format="verbose_json", **fields)
        assert answer.status == 200, answer.text
        return answer.json()

    def no_speech(self, folder, minutes):
        came, lengths, spoken = {}, {}, []
        processes = [self.server.process.pid, *self.server.workers()]
        used = sum(map(common.cpu_seconds, processes))
        for kind, samples in without_speech(folder, minutes):
            lengths[kind] = lengths.get(kind, 0) + 1
            for fields in ({}, {"language": "en"}):
                text = self.hear(samples, **fields)["text"]
                came[kind] = came.get(kind, 0) + len(text.split())
                spoken += [f"{kind}: {text}"] if text else []
        used = sum(map(common.cpu_seconds, processes)) - used
        print(common.markdown(["no speech", "minutes", "words"], [[kind, str(lengths[kind]), str(came[kind])] for kind in lengths]))
        print("\n".join(spoken))
        print(f"work: {used / 120 / minutes:.4f} s for a second of it\n", flush=True)

    def joined(self):
        total = sum(len(reference) for *_, reference in self.every)
        alone = sum(errors(reference, words(self.hear(self.samples[path], language="en")["text"])) for path, _, reference in self.every)
        rows = [["one by one", "", f"{100 * alone / total:.1f}", ""]]
        everything = [word for *_, reference in self.every for word in reference]
        for pause in PAUSES:
            silence = numpy.zeros(int(pause * RATE), numpy.float32)
            long = numpy.concatenate([part for path, *_ in self.every for part in (self.samples[path], silence)])
            wrong = errors(everything, words(self.hear(long, language="en")["text"]))
            rows.append([f"pauses of {pause} s", f"{len(long) / RATE:.0f}", f"{100 * wrong / total:.1f}", f"{100 * (wrong - alone) / total:+.1f}"])
        for path, seconds, reference in self.long:
            wrong = errors(reference, words(self.hear(read(path), language="en")["text"]))
            rows.append([path.stem, f"{seconds:.0f}", f"{100 * wrong / len(reference):.1f}", ""])
        print(common.markdown(["joined", "seconds", "errors", "more than one by one"], rows) + "\n", flush=True)

    def times(self):
        starts, begins, ends = [], [], []
        for path, *_ in self.every:
            samples, edges = widened(self.samples[path], 1.5)
            if not edges:
                continue
            heard = self.hear(samples, language="en", **{"timestamp_granularities[]": "word"})
            segments = self.hear(samples, language="en")["segments"]
            for ended, began in edges:
                middle = (ended + began) / 2
                after = [word["start"] for word in heard["words"] if word["end"] > middle]
                starts += [abs(after[0] - began)] if after else []
                begins += [abs(each["start"] - began) for each in segments if middle < each["start"] < began + 1]
                ends += [abs(each["end"] - ended) for each in segments if ended - 1 < each["end"] < middle]
        rows = [[name, str(len(errors_)), f"{1000 * statistics.mean(errors_):.0f} ms", f"{1000 * percentile(errors_, 0.95):.0f} ms"]
                for name, errors_ in (("word starts", starts), ("cues begin", begins), ("cues end", ends)) if errors_]
        print(common.markdown(["times", "edges", "mean error", "p95"], rows) + "\n", flush=True)

    def quiet(self):
        rows = []
        for level in (-40, -50):
            missed = [path.name for path, *_ in self.every if not self.hear(at_level(self.samples[path], level), language="en")["text"]]
            rows.append([f"{level} dBFS", str(len(self.every)), str(len(missed)), " ".join(missed)])
        print(common.markdown(["quiet", "clips", "missed", ""], rows) + "\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider")
    parser.add_argument("--minutes", type=int, default=60, help="of audio without speech")
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--vad-model", type=Path, default=SOURCE.parent / "shared/models/silero/ggml-silero-v6.2.0.bin")
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    options = parser.parse_args()
    common.use_programs(options.bin)
    flags = [*(["--provider", options.provider] if options.provider else []), "--set", f"server.vad_model={options.vad_model.resolve()}"]
    print(f"{options.model.name} on {common.machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, Server("--model", options.model.resolve(), *flags, home=Path(folder)) as server:
        server.wait_ready()
        bench = Bench(server, folder, clips(options.speech))
        bench.times()
        bench.quiet()
        bench.joined()
        bench.no_speech(options.speech, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
