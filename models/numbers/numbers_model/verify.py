"""Measures model files with the engine's own command line.

usage: python3 -m numbers_model.verify CLIPS MODEL[:full|:short]… [--every N] [--json FILE]

Each model is measured on each set of clips: with the whole window of 30 s (`full`, the engine's default), or with its
audio context cut to the clip (`short`). One of two languages is not told which is spoken. Prints a table; the figures of
the model card are its output.
"""
import argparse
import collections
import dataclasses
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
import wave

import numpy as np

from . import augment, synthesize
from .features import RATE

SETS = {"held-out voices, espeak-ng": "test-espeak", "held-out voice, flite": "test-flite",
        "synthesizer never heard, festival": "test-unseen", "nothing said": None, "German, held-out voices": "german-test"}
HELD_OUT_VOICES = ("held-out voices, espeak-ng", "held-out voice, flite")
INTO_ENGLISH = ", put into English"


@dataclasses.dataclass
class Clip:
    sound: np.ndarray
    words: list  # what should be written of it
    language: str | None = None
    voice: str = ""
    end: float | None = None  # of the last word, in seconds


def test_clips(folder, every):
    """Set → clips. Each in silence, as a careful user records."""
    rng = np.random.default_rng(99)
    sets = {}
    for name, prefix in SETS.items():
        if prefix is None:
            sets[name] = [Clip(augment.nothing_said(rng, rng.uniform(1, 10)), []) for _ in range(200 // every)]
            continue
        language = "de" if prefix.startswith("german") else "en"
        for noisy in ("", ", with rooms and noises"):
            clips = sets[name + noisy] = []
            if language == "de":
                sets[name + noisy + INTO_ENGLISH] = []
            for sound, label in synthesize.load(folder, prefix)[::every]:
                if noisy:
                    sound, _, _, end = augment.speech(rng, sound, [])
                else:
                    lead, tail = rng.uniform(0.1, 0.5, 2)
                    end = lead + len(sound) / RATE
                    sound = np.pad(sound.astype(float) / 32768, (int(lead * RATE), int(tail * RATE)))
                clips.append(Clip(sound, synthesize.written(label["words"]).split(), language, label["voice"], end))
                if language == "de":
                    sets[name + noisy + INTO_ENGLISH].append(dataclasses.replace(clips[-1], words=label["english"]))
    return sets


def word_errors(said, heard):
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        row, before = [i], row
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def transcribe(model, paths, flags):
    """path → (words, end of the last segment or none, language)"""
    subprocess.run(["whisper-cli", "-m", model, "-t", "2", "-bs", "1", "-bo", "5", "-ng", "-np", "-oj", *flags]
                   + [part for path in paths for part in ("-f", path)], check=True, stdout=subprocess.DEVNULL)
    heard = {}
    for path in paths:
        with open(path + ".json", encoding="utf-8", errors="replace") as file:
            answer = json.load(file)
        os.unlink(path + ".json")
        segments = answer["transcription"]
        heard[path] = (" ".join(s["text"] for s in segments).split(), segments[-1]["offsets"]["to"] / 1000 if segments else None,
                       answer["result"]["language"])
    return heard


def measure(model, short, clips, flags, folder):
    groups = collections.defaultdict(list)
    truth = {}
    for i, clip in enumerate(clips):
        path = os.path.join(folder, f"{i:04}.wav")
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, RATE, len(clip.sound), "NONE", ""))
            file.writeframes((np.clip(clip.sound, -1, 1) * 32767).astype("<i2").tobytes())
        truth[path] = clip
        groups[math.ceil(len(clip.sound) / RATE) * 50 + 16 if short else 0].append(path)
    heard, started = {}, time.monotonic()
    for context, paths in groups.items():
        heard.update(transcribe(model, paths, flags + (["-ac", str(context)] if context else [])))
    errors = collections.Counter()
    said = collections.Counter()
    wrong, late = [], []
    for path, clip in truth.items():
        got, until, _ = heard[path]
        if got != clip.words:
            wrong.append((clip.voice, " ".join(clip.words), " ".join(got)))
        for key in ("all", clip.voice.split("+")[-1]):
            errors[key] += word_errors(clip.words, got)
            said[key] += len(clip.words)
        if clip.words and until is not None:
            late.append(abs(until - clip.end))
    found = {"clips": len(clips), "exact": 1 - len(wrong) / len(clips), "seconds a clip": (time.monotonic() - started) / len(clips)}
    if said["all"]:
        found["words"], found["errors"] = said["all"], errors["all"]
        found["word error rate"] = errors["all"] / said["all"]
        found["ends within 0.3 s"] = float(np.mean(np.array(late) <= 0.3)) if late else 0.0
        found["language"] = float(np.mean([heard[path][2] == clip.language for path, clip in truth.items()]))
        found["by voice"] = {key: errors[key] / said[key] for key in said if key != "all"}
    else:
        found["empty"] = found["exact"]
    return found, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clips")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--show", type=int, default=0, help="so many of the clips understood wrongly")
    options = parser.parse_args()
    sets = test_clips(options.clips, options.every)
    figures = {}
    for chosen in options.models:
        model, _, context = chosen.partition(":")
        print(f"{os.path.basename(model)}, {context or 'full'} context, {os.path.getsize(model)} bytes")
        multilingual = ".en" not in os.path.basename(model)
        for name, clips in sets.items():
            if options.only not in name or (name.startswith("German") and not multilingual):
                continue
            flags = (["-l", "auto"] if multilingual else []) + (["-tr"] if name.endswith(INTO_ENGLISH) else [])
            folder = tempfile.mkdtemp()
            found, wrong = measure(model, context == "short", clips, flags, folder)
            shutil.rmtree(folder)
            figures.setdefault(os.path.basename(model) + ":" + (context or "full"), {})[name] = found
            if "empty" in found:
                print(f"  {name:58} {found['clips']:4} clips  empty {found['empty']:.1%}", flush=True)
            else:
                print(f"  {name:58} {found['clips']:4} clips  WER {found['word error rate']:6.2%}  exact {found['exact']:6.1%}"
                      f"  ends within 0.3 s {found['ends within 0.3 s']:6.1%}  language {found['language']:6.1%}"
                      f"  {found['seconds a clip']:.2f} s a clip", flush=True)
            for line in wrong[:options.show]:
                print("     ", " | ".join(line))
        heard = figures.get(os.path.basename(model) + ":" + (context or "full"), {})
        if all(name in heard for name in HELD_OUT_VOICES):
            errors, words = (sum(heard[name][what] for name in HELD_OUT_VOICES) for what in ("errors", "words"))
            print(f"  held-out voices, both: {errors} of {words} words, WER {errors / words:.2%}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
