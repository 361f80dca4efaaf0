#!/usr/bin/env python3
"""How soon what is said is there for good, over OpenAI's Realtime API.

usage: dev/in bench/live.py MODEL [--provider NAME] [--streams N …] [--seconds S] [--language CODE] [--speech FOLDER] [--bin FOLDER]

English clips of 4 to 17 s of --speech (default ../shared/speech, with a manifest.tsv) are played in real time, a second of silence
behind each. Each stream plays other clips, --seconds of them. The times of words are those of the same model's transcript of the file.

  stable   from the end of a word's audio to the delta that has it; what was told by a delta is never taken back: median, 95th percentile
  final    from the end of the speech to the completed transcript, without the silence that the endpointer waits for: the same
  errors   word errors of the completed transcripts, and of the same clips as files, in percent
  level    the highest level of service that had to be given up (docs/streaming.md)
  work     seconds of processor time of server and worker for a second of audio
"""

import argparse
import base64
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import common
from hotmic_py import SOURCE, Messages, Server
from peers import errors, words
from spoken import GAP, Told, english_clips, playlists
from streaming import percentile

RATE = 24000
SILENCE = bytes(2 * int(RATE * GAP))
PIECE = 2 * RATE // 25  # bytes: 40 ms
TRANSCRIPTION = "conversation.item.input_audio_transcription."
LEVELS = ["normal", "fewer_partials", "no_partials", "late_finals"]


class Stream(threading.Thread):
    """Plays its clips and notes when which text came."""

    def __init__(self, server, playlist, language):
        super().__init__()
        self.server, self.playlist, self.language = server, playlist, language
        self.stable, self.final, self.text = [], [], []

    def run(self):
        with Messages(self.server, "/v1/realtime?intent=transcription") as socket:
            socket.until("session.created")
            if self.language:
                audio = {"input": {"transcription": {"language": self.language}}}
                socket.send({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
            updated = socket.until("session.updated") if self.language else socket.seen[-1]
            waits = updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] / 1000
            told = []
            listener = threading.Thread(target=self.listen, args=(socket, told))
            listener.start()
            began = time.monotonic()
            for piece in common.in_real_time((clip.pcm + SILENCE for clip in self.playlist), RATE, PIECE):
                socket.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()})
            socket.send({"type": "input_audio_buffer.clear"})  # its answer comes behind everything that was said
            listener.join()
        self.measure(told, began, waits)

    def listen(self, socket, told):
        waiting, over = 0, False  # committed, not yet completed
        while waiting > 0 or not over:
            message = socket.next()
            kind = message["type"]
            over = over or kind == "input_audio_buffer.cleared"
            waiting += (kind == "input_audio_buffer.committed") - (kind == TRANSCRIPTION + "completed")
            told.append((time.monotonic(), message))

    def measure(self, told, began, waits):
        words_told, texts, ends = Told(), {}, {}
        for at, message in told:
            kind, item = message["type"], message.get("item_id")
            if kind == "input_audio_buffer.speech_stopped":
                ends[item] = began + message["audio_end_ms"] / 1000
            elif kind == TRANSCRIPTION + "delta":
                texts[item] = texts.get(item, "") + message["delta"]
                words_told.note(item, texts[item], at)
            elif kind == TRANSCRIPTION + "completed":
                self.text += words(message["transcript"])
                self.final.append(at - ends[item] - waits)
        self.stable = words_told.delays(self.playlist, began)


def measure(options, streams, every):
    with tempfile.TemporaryDirectory() as home:
        with Server("--model", options.model.resolve(), *(["--provider", options.provider] if options.provider else []), home=Path(home)) as server:
            server.wait_ready()
            players = [Stream(server, playlist, options.language) for playlist in playlists(every, streams, options.seconds)]
            for clip in {clip for player in players for clip in player.playlist}:
                clip.hear(server, options.language)
            processes = [server.process.pid, *server.workers()]
            used = sum(common.cpu_seconds(pid) for pid in processes)
            for player in players:
                player.start()
            level = 0
            while any(player.is_alive() for player in players):
                level = max(level, LEVELS.index(server.request("/health").json()["live"]["level"]))
                time.sleep(0.2)
            used = sum(common.cpu_seconds(pid) for pid in processes) - used
    played = [clip for player in players for clip in player.playlist]
    stable = [value for player in players for value in player.stable]
    final = [value for player in players for value in player.final]
    total = sum(len(clip.reference) for clip in played)
    live = sum(errors([word for clip in player.playlist for word in clip.reference], player.text) for player in players)
    batch = sum(errors(clip.reference, [word for word, _ in clip.heard]) for clip in played)
    return [str(streams), *(f"{value:.2f} s" for value in (statistics.median(stable), percentile(stable, 0.95), statistics.median(final), percentile(final, 0.95))),
            f"{100 * live / total:.1f}", f"{100 * batch / total:.1f}", f"`{LEVELS[level]}`", f"{used / sum(clip.seconds + GAP for clip in played):.2f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=60, help="of audio each stream plays")
    parser.add_argument("--language", default="en", help='"" to have it detected')
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    options = parser.parse_args()
    common.use_programs(options.bin)
    every = english_clips(options.speech, RATE)
    print(f"{options.model.name} on {common.machine()}", flush=True)
    print(common.markdown(["streams", "stable p50", "p95", "final p50", "p95", "errors live", "as files", "level", "work"], []), flush=True)
    for streams in options.streams:
        print("| " + " | ".join(measure(options, streams, every)) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
