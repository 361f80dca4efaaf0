#!/usr/bin/env python3
"""Streaming transducers: hotmic against sherpa-onnx, on the same folder and recordings, on this machine, in one run.

usage: dev/in bench/streams.py FOLDER [--streams N …] [--seconds S] [--only hotmic,sherpa] [--speech FOLDER] [--bin FOLDER]

FOLDER is a model in sherpa-onnx's layout. sherpa-onnx comes from PyPI into build/peers/sherpa, once, by bench/peers-sherpa, which then runs this; its server runs with two
threads, its endpoint rules as they are.

English clips of 4 to 17 s of --speech are played in real time, 100 ms at a time and a second of silence behind each, by as many clients at once as
--streams says. The times of words are those of hotmic's transcript of the file, for both.

  word     from the end of a word's audio to the message that has it whole: median, 95th percentile
  errors   word errors of what was final, in percent
  work     seconds of processor time of the server for a second of audio

and a file of ten minutes, from sending it until its text is there: hotmic over HTTP, sherpa-onnx's Python on as many threads as there are processors; then the same with one
thread each, greedy and with four paths, as real-time factors.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import websockets
from hotmic_py import SOURCE, Server
from peers import errors, words
from spoken import GAP, Told, english_clips, playlists
from streaming import percentile

RATE = 16000
PIECE = RATE // 10
PEER = SOURCE / "build/peers/sherpa"
PORT = 6917
MINUTES = 10
TRANSCRIPTION = "conversation.item.input_audio_transcription."
WHOLE_FILE = """
import sys, time, wave
import numpy, sherpa_onnx
folder, threads, file, method = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
part = lambda name, kind: f"{folder}/{name}{kind}.onnx"
recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(tokens=f"{folder}/tokens.txt", encoder=part("encoder", ".int8"), decoder=part("decoder", ""),
                                                          joiner=part("joiner", ".int8"), num_threads=threads, sample_rate=16000,
                                                          decoding_method=method, max_active_paths=4)
with wave.open(file) as audio:
    samples = numpy.frombuffer(audio.readframes(audio.getnframes()), dtype=numpy.int16).astype(numpy.float32) / 32768
began = time.monotonic()
stream = recognizer.create_stream()
stream.accept_waveform(16000, samples)
stream.accept_waveform(16000, numpy.zeros(8000, dtype=numpy.float32))
stream.input_finished()
while recognizer.is_ready(stream):
    recognizer.decode_stream(stream)
print(time.monotonic() - began)
"""


class Heard(Told):
    """And what was final."""

    def __init__(self):
        super().__init__()
        self.final = {}

    def text(self):
        return [word for text in self.final.values() for word in words(text)]


async def in_real_time(playlist, send):
    began, sent = time.monotonic(), 0
    for clip in playlist:
        pcm = clip.pcm + bytes(int(2 * RATE * GAP))
        for at in range(0, len(pcm), 2 * PIECE):
            piece = pcm[at:at + 2 * PIECE]
            sent += len(piece) / 2 / RATE
            await asyncio.sleep(max(0, began + sent - time.monotonic()))  # a piece is there when it has been said
            await send(piece)
    return began


async def with_hotmic(url, playlist):
    heard, open_items = Heard(), set()
    async with websockets.connect(url.replace("http", "ws") + "/v1/realtime?intent=transcription", max_size=None) as socket:
        async def listen():
            async for raw in socket:
                message = json.loads(raw)
                kind, item = message["type"], message.get("item_id")
                if kind == "input_audio_buffer.speech_started":
                    open_items.add(item)
                elif kind == TRANSCRIPTION + "delta":
                    texts[item] = texts.get(item, "") + message["delta"]
                    heard.note(item, texts[item])
                elif kind == TRANSCRIPTION + "completed":
                    heard.final[item] = message["transcript"]
                    open_items.discard(item)
        texts = {}
        audio = {"input": {"format": {"type": "audio/pcm", "rate": RATE}}}
        await socket.send(json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": audio}}))
        listening = asyncio.create_task(listen())
        began = await in_real_time(playlist, lambda piece: socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()})))
        for _ in range(100):
            if not open_items:
                break
            await asyncio.sleep(0.1)
        listening.cancel()
    return heard, began


async def with_sherpa(playlist):
    heard = Heard()
    async with websockets.connect(f"ws://127.0.0.1:{PORT}", max_size=None) as socket:
        async def listen():
            async for raw in socket:
                if raw == "Done!":
                    return
                message = json.loads(raw)
                heard.note(message["segment"], message["text"])
                heard.final[message["segment"]] = message["text"]
        listening = asyncio.create_task(listen())

        async def send(piece):
            samples = struct.unpack(f"<{len(piece) // 2}h", piece)
            await socket.send(struct.pack(f"<{len(samples)}f", *(sample / 32768 for sample in samples)))
        began = await in_real_time(playlist, send)
        await socket.send("Done")
        await asyncio.wait_for(listening, 30)
    return heard, began


async def play(lists, one):
    return await asyncio.gather(*(one(playlist) for playlist in lists))


def row(name, lists, results, used):
    delays = [delay for (heard, began), playlist in zip(results, lists) for delay in heard.delays(playlist, began)]
    total = sum(len(clip.reference) for playlist in lists for clip in playlist)
    wrong = sum(errors([word for clip in playlist for word in clip.reference], heard.text()) for (heard, _), playlist in zip(results, lists))
    seconds = sum(clip.seconds + GAP for playlist in lists for clip in playlist)
    return [name, str(len(lists)), f"{statistics.median(delays):.2f} s", f"{percentile(delays, 0.95):.2f} s", f"{100 * wrong / total:.1f} %", f"{used / seconds:.3f}"]


def sherpa_server(folder, home):
    def part(name, kind):
        return f"--{name}={folder}/{name}{kind}.onnx"
    command = [PEER / "bin/sherpa-onnx-online-websocket-server", f"--port={PORT}", "--num-work-threads=2", "--num-io-threads=1", "--max-batch-size=1",
               f"--tokens={folder}/tokens.txt", part("encoder", ".int8"), part("decoder", ""), part("joiner", ".int8")]
    server = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # it writes a log there
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", PORT), 1):
                return server
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("sherpa-onnx's server does not come up")


def ten_minutes(every, into):
    said = max(every, key=lambda each: each.seconds)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", said.path, "-t", str(60 * MINUTES), "-ar", "16000", "-ac", "1", into], check=True)
    return into


def peer_seconds(folder, file, threads, method="greedy_search"):
    command = [PEER / "bin/python", "-c", WHOLE_FILE, folder, str(threads), file, method]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def own_seconds(server, file, **fields):
    began = time.monotonic()
    text = server.transcribe(file, **fields).json()["text"]
    return time.monotonic() - began, len(words(text))


def whole_files(folder, file, home, only):
    """With one thread each."""
    if "hotmic" in only:
        with Server("--model", folder, "--slots", "1", "--set", "models.default.max_beam_size=4", home=home) as server:
            server.wait_ready()
            for paths in (1, 4):
                print(f"one thread, {paths} paths, hotmic: {own_seconds(server, file, beam_size=paths)[0] / MINUTES / 60:.4f} of real time", flush=True)
    if "sherpa" in only:
        for paths, method in ((1, "greedy_search"), (4, "modified_beam_search")):
            print(f"one thread, {paths} paths, sherpa-onnx: {peer_seconds(folder, file, 1, method) / MINUTES / 60:.4f} of real time", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--seconds", type=float, default=20, help="of audio each stream plays, at least")
    parser.add_argument("--only", default="hotmic,sherpa")
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    options = parser.parse_args()
    common.use_programs(options.bin)
    only = options.only.split(",")
    folder = options.folder.resolve()
    every = english_clips(options.speech, RATE)
    print(f"{folder.name} on {common.machine()}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        with Server("--model", folder, "--set", f"server.max_streams={max(options.streams)}", home=Path(home)) as server:
            server.wait_ready()
            for clip in every:
                clip.hear(server)
            print(common.markdown(["server", "streams", "word p50", "p95", "errors", "work"], []), flush=True)
            for streams in options.streams:
                lists = playlists(every, streams, options.seconds)
                if "hotmic" in only:
                    processes = [server.process.pid, *server.workers()]
                    used = sum(common.cpu_seconds(pid) for pid in processes)
                    results = asyncio.run(play(lists, lambda playlist: with_hotmic(server.url, playlist)))
                    used = sum(common.cpu_seconds(pid) for pid in processes) - used
                    print("| " + " | ".join(row("hotmic", lists, results, used)) + " |", flush=True)
                if "sherpa" in only:
                    peer = sherpa_server(folder, home)
                    try:
                        used = common.cpu_seconds(peer.pid)
                        results = asyncio.run(play(lists, with_sherpa))
                        used = common.cpu_seconds(peer.pid) - used
                    finally:
                        peer.kill()
                        peer.wait()
                    print("| " + " | ".join(row("sherpa-onnx", lists, results, used)) + " |", flush=True)
            file = ten_minutes(every, Path(home) / "ten.wav")
            if "hotmic" in only:
                took, count = own_seconds(server, file)
                print(f"ten minutes, hotmic: {took:.1f} s, {count} words", flush=True)
        if "sherpa" in only:
            print(f"ten minutes, sherpa-onnx: {peer_seconds(folder, file, os.cpu_count()):.1f} s", flush=True)
        whole_files(folder, file, Path(home), only)


if __name__ == "__main__":
    sys.exit(main())
