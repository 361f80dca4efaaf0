"""Speaks sentences with Debian's synthesizers and keeps them as 16 kHz clips.

usage: python3 -m numbers_model.synthesize FOLDER [SPLIT…]

Each split becomes files FOLDER/SPLIT-N.npz of at most a few hundred clips, each whole or absent, so an interrupted run
goes on where it stopped.
"""
import ctypes
import itertools
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import wave
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from . import sentences
from .features import RATE

# --- voices ------------------------------------------------------------------------------------------------------------
# Accents of espeak-ng, each spoken by any of its variants. Those held out are heard in no other split.
ACCENTS = ["en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-gb-scotland", "en-us-nyc"]
HELD_OUT_VARIANTS = ["m3", "f2", "klatt3", "Andy", "linda", "adam", "steph2", "benjamin", "Annie", "edward"]
VARIANTS = ["", "", "", "m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f3", "f4", "f5", "klatt", "klatt2", "klatt4", "Alex",
            "Alicia", "Andrea", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario",
            "Michael", "Mike", "Mr serious", "Nguyen", "Reed", "Storm", "anika", "announcer", "antonio", "aunty", "belinda",
            "boris", "caleb", "david", "ed", "edward2", "grandma", "grandpa", "gustave", "ian", "iven", "iven2", "john",
            "kaukovalta", "marcelo", "max", "michel", "miguel", "mike2", "norbert", "pablo", "paul", "pedro", "quincy",
            "rob", "robert", "sandro", "shelby", "steph", "steph3", "travis", "victor", "zac"]
FLITE_VOICES = ["awb", "kal16", "slt", "awb", "slt", "kal"]
FLITE_HELD_OUT = ["rms"]
FESTIVAL_VOICES = ["ked_diphone", "cmu_us_slt_arctic_hts", "kal_diphone"]

# Split → (synthesizer, clips, seed). `unseen` is the synthesizer that training never hears.
SPLITS = {
    "train-espeak": ("espeak", 15000, 1),
    "train-flite": ("flite", 7200, 2),
    "test-espeak": ("espeak-held-out", 200, 11),
    "test-flite": ("flite-held-out", 100, 12),
    "test-unseen": ("festival", 210, 13),
    "german-train": ("espeak-german", 6000, 4),  # with 3, espeak-ng crashes
    "german-test": ("espeak-german-held-out", 200, 14),
}
CLIPS_A_FILE = 300


# What a synthesizer is given where it would say the written word otherwise.
ESPEAK_SPELLING = {"am": "eh em", "pm": "pee em"}
SPELLING = {"am": "ay em", "pm": "pee em"}


def spoken(words, spelling=SPELLING):
    return written(spelling.get(word, word) for word in words)


def written(words):
    return " ".join(words).replace(" -", "")


def read_wave(path):
    with wave.open(path) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        return resample(sound, file.getframerate())


def resample(sound, rate):
    """To 16 kHz, by way of the spectrum."""
    if rate == RATE or not len(sound):
        return sound
    length = round(len(sound) * RATE / rate)
    spectrum = np.fft.rfft(sound, len(sound))
    wanted = np.zeros(length // 2 + 1, complex)
    common = min(len(wanted), len(spectrum))
    wanted[:common] = spectrum[:common]
    return np.fft.irfft(wanted, length) * (length / len(sound))


def trimmed(sound, starts):
    """Without the silence around it, and the words' starts moved with it."""
    frames = np.abs(np.pad(sound, (0, -len(sound) % 80))).reshape(-1, 80).max(1)
    loud = np.flatnonzero(frames > 0.015 * frames.max())
    first, last = int(loud[0]) * 80, min(int(loud[-1] + 1) * 80, len(sound))
    return sound[first:last], [max(0.0, start - first / RATE) for start in starts]


# --- synthesizers: each is a function from words and a random source to (sound, starts of the words or none, voice) ---
class Espeak:
    """By its library, which says when each word starts."""

    class _Event(ctypes.Structure):
        _fields_ = [("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int),
                    ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                    ("user_data", ctypes.c_void_p), ("id", ctypes.c_int64)]

    RETRIEVAL, UTF8, WORD, RATE_, VOLUME, PITCH, RANGE, WORD_GAP = 1, 1, 1, 1, 2, 3, 4, 7

    def __init__(self, variants, accents=ACCENTS):
        self.variants, self.accents = variants, accents
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.library.espeak_Initialize(self.RETRIEVAL, 0, None, 0)
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(self._Event))
        self.callback = callback(self._receive)
        self.library.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples, count, events):
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(lambda event: event.type != 0, (events[i] for i in itertools.count())):
            if event.type == self.WORD:
                self.words.append((event.text_position - 1, event.audio_position / 1000))
        return 0

    def __call__(self, words, random):
        voice = random.choice(self.accents)
        variant = random.choice(self.variants)
        voice += f"+{variant}" if variant else ""
        lib = self.library
        lib.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((self.RATE_, random.randint(110, 230)), (self.PITCH, random.randint(15, 85)),
                                 (self.RANGE, random.randint(15, 85)), (self.WORD_GAP, random.choice([0, 0, 0, 1, 3, 6, 12]))):
            lib.espeak_SetParameter(parameter, value, 0)
        self.pieces, self.words = [], []
        text = spoken(words, ESPEAK_SPELLING).encode()
        lib.espeak_Synth(text, len(text) + 1, 0, 1, 0, self.UTF8, None, None)
        lib.espeak_Synchronize()
        sound = np.concatenate(self.pieces).astype(np.float32)
        times, place, starts = dict(reversed(self.words)), 0, []
        for word in words:
            starts.append(times.get(place))
            place += len(ESPEAK_SPELLING.get(word, word)) + 1
        if None in starts:
            starts = []
        return resample(sound, self.rate), starts, "espeak-ng " + voice


class Flite:
    def __init__(self, voices):
        self.voices = voices
        self.path = tempfile.mktemp(suffix=".wav")

    def __call__(self, words, random):
        voice = random.choice(self.voices)
        settings = ["--setf", f"duration_stretch={random.uniform(0.75, 1.3):.2f}"]
        if voice.startswith("k"):
            settings += ["--setf", f"int_f0_target_mean={random.uniform(80, 160):.0f}"]
        subprocess.run(["flite", "-voice", voice, *settings, "-t", spoken(words), "-o", self.path], check=True)
        return read_wave(self.path), [], "flite " + voice


class Festival:
    def __init__(self, voices):
        self.voices = voices
        self.path = tempfile.mktemp(suffix=".wav")

    def __call__(self, words, random):
        voice = random.choice(self.voices)
        program = (f"(voice_{voice}) (Parameter.set 'Duration_Stretch {random.uniform(0.8, 1.25):.2f})"
                   f'(utt.save.wave (utt.synth (Utterance Text "{spoken(words)}")) "{self.path}" \'riff)')
        subprocess.run(["festival", "--pipe"], input=program, text=True, check=True)
        return read_wave(self.path), [], "festival " + voice


SYNTHESIZERS = {
    "espeak": lambda: Espeak(VARIANTS),
    "espeak-held-out": lambda: Espeak(HELD_OUT_VARIANTS),
    "espeak-german": lambda: Espeak(VARIANTS, ["de"]),
    "espeak-german-held-out": lambda: Espeak(HELD_OUT_VARIANTS, ["de"]),
    "flite": lambda: Flite(FLITE_VOICES),
    "flite-held-out": lambda: Flite(FLITE_HELD_OUT),
    "festival": lambda: Festival(FESTIVAL_VOICES),
}


def make(folder, split, part):
    path = os.path.join(folder, f"{split}-{part:03}.npz")
    if os.path.exists(path):
        return
    kind, count, seed = SPLITS[split]
    german = split.startswith("german")
    speak = SYNTHESIZERS[kind]()
    source = random.Random(seed * 1000 + part)
    sounds, labels = [], []
    while len(sounds) < min(CLIPS_A_FILE, count - part * CLIPS_A_FILE):
        words, english = sentences.german(source) if german else (sentences.sentence(source), None)
        sound, starts, voice = speak(words, source)
        if len(sound) < 1600 or np.abs(sound).max() < 100:
            continue
        sound, starts = trimmed(sound, starts)
        if len(sound) > 10 * RATE:
            continue
        sounds.append((sound * (20000 / np.abs(sound).max())).astype(np.int16))
        labels.append({"words": words, "starts": [round(start, 3) for start in starts], "voice": voice} | ({"english": english} if german else {}))
    np.savez(path + ".partial.npz", sound=np.concatenate(sounds), lengths=[len(s) for s in sounds], labels=json.dumps(labels))
    os.rename(path + ".partial.npz", path)
    print(f"{path}: {len(sounds)} clips, {sum(map(len, sounds)) / RATE:.0f} s", flush=True)


def load(folder, prefix):
    """Clips as (sound, label)."""
    clips = []
    for name in sorted(os.listdir(folder)):
        if name.startswith(prefix) and ".partial" not in name and name.endswith(".npz"):
            file = np.load(os.path.join(folder, name))
            ends = np.cumsum(file["lengths"])
            sound = file["sound"]
            clips += [(sound[end - length:end], label) for end, length, label
                      in zip(ends, file["lengths"], json.loads(str(file["labels"])))]
    return clips


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    parts = [(sys.argv[1], split, part) for split in sys.argv[2:] or SPLITS for part in range(math.ceil(SPLITS[split][1] / CLIPS_A_FILE))]
    # Each in a process of its own, so that what a synthesizer keeps in mind of earlier clips is the same wherever a run goes on.
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=1) as pool:
        list(pool.map(make, *zip(*parts)))
