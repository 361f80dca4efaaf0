#!/usr/bin/env python3
"""How soon live text appears, and how good it is: recordings of ../shared/speech played in real time over a socket.

usage: dev/in bench/streaming.py [--streams N …] [--seconds S] [--engine NAME …] [--json FILE]

Each stream plays other recordings, one after the other with a second of silence between, to a server of its own. Word ends are those of
the same engine's batch transcript of the same recording. Measured are, for words that are in both texts,

  partial   from the end of a word's audio to its first appearance in a partial or final: median, 95th percentile
  final     from the end of a word's audio to its appearance in a final
  errors    word error rate of the finals, and of the batch transcripts, against the reference transcripts
  level     the highest level of service that had to be given up (docs/streaming.md), and seconds of audio dropped
  work      seconds of processor time of server and worker per second of audio

whisper_cpp runs the model that HOTMIC_TEST_WHISPER_MODEL names; without one it runs the numbers model (models/numbers), which hears what
espeak-ng voices say of numbers, held out from its training.
"""

import argparse
import csv
import difflib
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import common
from hotmic_py import NEW_VOICES, NUMBERS, PATIENCE, SOURCE, SPEECH, Messages, Server, speech_pcm
from peers import errors

sys.path.insert(0, str(SOURCE / "models/numbers"))
from numbers_model import sentences  # noqa: E402

RATE = 16000
GAP = 1.0
SILENCE = bytes(2 * int(RATE * GAP))
LEVELS = ["NORMAL", "WARNING", "DEGRADE", "EMERGENCY"]


def words_of(text):
    return re.findall(r"[a-z']+", text.lower())


class Clip:
    def __init__(self, path, reference):
        self.path, self.reference = path, words_of(reference)
        self.pcm = speech_pcm(RATE, clip=path)
        self.seconds = len(self.pcm) / 2 / RATE
        self.batch = None  # [(word, end)] of the engine

    def hear(self, server):
        answer = server.transcribe(self.path, response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json()
        self.batch = [(part, word["end"]) for word in answer["words"] for part in words_of(word["word"])]


def clips():
    with open(SPEECH / "manifest.tsv", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"].startswith("en") and 2 < float(row["seconds"]) < 30]
    return [Clip(SPEECH / row["file"], row["reference"]) for row in rows if words_of(row["reference"])]


def spoken_numbers(folder):
    """Forty sentences of one to five seconds, by voices that the numbers model has not learnt from."""
    chance, made = random.Random(7), []
    for count in range(40):
        text = " ".join(sentences.sentence(chance))
        path = folder / f"{count}.wav"
        subprocess.run(["espeak-ng", "-v", NEW_VOICES[count % len(NEW_VOICES)], "-w", path, text], check=True)
        made.append(Clip(path, text))
    return made


class Player(threading.Thread):
    def __init__(self, server, playlist):
        super().__init__()
        self.server, self.playlist = server, playlist
        self.first, self.last, self.finals, self.level, self.dropped = [], [], [], 0, 0.0
        self.over, self.caught_up = math.inf, threading.Event()  # when everything was sent; whether it is final

    def run(self):
        with Messages(self.server, "/ws/live-listener") as socket:
            socket.send({"type": "start", "session_id": "bench"})
            socket.until("status", state="streaming")
            heard = []
            listening = threading.Thread(target=self.listen, args=(socket, heard))
            listening.start()
            began = time.monotonic()
            for piece in common.in_real_time((clip.pcm + SILENCE for clip in self.playlist), RATE, 3200):
                socket.send(b"EP\x01\x01" + piece)
            # Within 8 s of stop the protocol ends, whatever is missing: what is late would be counted as not heard.
            self.over = time.monotonic()
            self.caught_up.wait(PATIENCE)
            socket.send({"type": "stop", "session_id": "bench"})
            listening.join()
        self.measure(began, heard)

    def listen(self, socket, heard):
        while True:
            message = socket.next()
            if message["type"] in ("asr_partial", "asr_final"):
                heard.append((time.monotonic(), message))
            if message["type"] == "metrics":
                self.level = max(self.level, LEVELS.index(message["degrade_level"]))
                self.dropped = message["dropped_total"] / 50
                if time.monotonic() > self.over + 1 and message["backlog_seconds"] == 0:
                    self.caught_up.set()
            if message["type"] == "final_summary":
                return

    def measure(self, began, heard):
        """Of each word of the batch transcripts that the stream has, too: when it was there first, when for good."""
        expected, offset = [], 0.0
        for clip in self.playlist:
            expected += [(word, offset + end) for word, end in clip.batch]
            offset += clip.seconds + GAP
        done = []  # words of the finals so far
        first = {}  # position in the text → when it was there first
        final = {}
        for at, message in heard:
            text = done + words_of(message["text"])
            for position in range(len(done), len(text)):
                seen = first.setdefault(position, (text[position], at))
                if seen[0] != text[position]:
                    first[position] = (text[position], at)
            if message["type"] == "asr_final":
                for position in range(len(done), len(text)):
                    final[position] = at
                done = text
        self.finals = done
        same = difflib.SequenceMatcher(None, [word for word, _ in expected], done, autojunk=False)
        for block in same.get_matching_blocks():
            for i in range(block.size):
                end = began + expected[block.a + i][1]
                self.first.append(first[block.b + i][1] - end)
                self.last.append(final[block.b + i] - end)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def engines():
    """Name → how it is started."""
    whisper = os.environ.get("HOTMIC_TEST_WHISPER_MODEL")
    return {"pocketsphinx": ["--provider", "pocketsphinx"], "whisper_cpp": ["--model", whisper] if whisper else NUMBERS}


def recordings(engine, folder):
    if engine == "whisper_cpp" and "HOTMIC_TEST_WHISPER_MODEL" not in os.environ:
        return spoken_numbers(folder)
    if not SPEECH.exists():
        raise SystemExit(f"{SPEECH} is not there: {engine} is measured with its recordings")
    return clips()


def measure(engine, streams, seconds, every):
    with tempfile.TemporaryDirectory() as home, Server(*engines()[engine], home=Path(home)) as server:
        server.wait_ready()
        players = []
        for number in range(streams):
            playlist, total = [], 0.0
            for step in range(len(every)):
                clip = every[(number * 5 + step) % len(every)]
                if total >= seconds:
                    break
                playlist.append(clip)
                total += clip.seconds + GAP
            players.append(Player(server, playlist))
        for clip in {clip for player in players for clip in player.playlist}:
            clip.hear(server)
        processes = [server.process.pid, *server.workers()]
        used = sum(common.cpu_seconds(pid) for pid in processes)
        for player in players:
            player.start()
        for player in players:
            player.join()
        used = sum(common.cpu_seconds(pid) for pid in processes) - used
    reference = sum(len(clip.reference) for player in players for clip in player.playlist)
    live = sum(errors([word for clip in player.playlist for word in clip.reference], player.finals) for player in players)
    batch = sum(errors(clip.reference, [word for word, _ in clip.batch]) for player in players for clip in player.playlist)
    first = [value for player in players for value in player.first]
    last = [value for player in players for value in player.last]
    return {"engine": engine, "streams": streams, "partial_p50": statistics.median(first), "partial_p95": percentile(first, 0.95),
            "final_p50": statistics.median(last), "final_p95": percentile(last, 0.95), "live_errors": live / reference, "batch_errors": batch / reference,
            "level": LEVELS[max(player.level for player in players)], "dropped_s": sum(player.dropped for player in players),
            "work": used / sum(clip.seconds + GAP for player in players for clip in player.playlist)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=60, help="of audio each stream plays")
    parser.add_argument("--engine", nargs="+", default=list(engines()))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("| engine | streams | partial p50 | p95 | final p50 | p95 | errors live | batch | level | dropped | work |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for engine in arguments.engine:
        with tempfile.TemporaryDirectory() as folder:
            every = recordings(engine, Path(folder))
            for streams in arguments.streams:
                row = measure(engine, streams, arguments.seconds, every)
                rows.append(row)
                print(f"| {engine} | {streams} | {row['partial_p50']:.2f} s | {row['partial_p95']:.2f} s | {row['final_p50']:.2f} s | "
                      f"{row['final_p95']:.2f} s | {row['live_errors']:.1%} | {row['batch_errors']:.1%} | {row['level']} | "
                      f"{row['dropped_s']:.1f} s | {row['work']:.2f} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
