#!/usr/bin/env python3
"""hotmic against those whom people would otherwise use, on the same files, on this machine, in one run.

usage: bench/peers --ggml FILE --ct2 FOLDER [--speech FOLDER] [--threads N] [--only hotmic,faster_whisper,whisper_server,whisper_cpp]

  --ggml    a model of whisper.cpp, for hotmic and whisper-server
  --ct2     the same model as a CTranslate2 folder, for faster-whisper
  --speech  recordings with a manifest.tsv (file, seconds, rate, language, text …), default ../shared/speech

What is measured, each peer alone on the machine, with the same number of threads:

  clips     every English clip under 29 s, one at a time: word error rate, and seconds of work for a second of audio
  short     the clip of 2.1 s, one at a time (median of nine), and twelve times from four clients at once
  long      a file of ten minutes (the longest English clip again and again, as mp3)
  ready     from the start of the server until it answers, and its resident memory after everything

`whisper_cpp` is hotmic with that provider, which is to hear what `onnx` hears.

The peers live in build/peers: faster-whisper in a virtual environment that bench/peers makes (pip), whisper-server out of
Debian's package (apt). Nothing of them is needed by hotmic.
"""

import argparse
import csv
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common  # finds the tests' helpers, too
from hotmic_py import SOURCE, Server, settings

PEERS = SOURCE / "build/peers"
SHORT, REPEATED, LONG_SECONDS = 2.1, 9, 600


def words(text):
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def errors(reference, heard):
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference, 1):
        last, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (expected != word))
    return row[-1]


def clips(folder):
    with open(folder / "manifest.tsv", newline="") as manifest:
        rows = [row for row in csv.reader(manifest, delimiter="\t") if len(row) > 4 and row[3] == "en"]
    return [(folder / row[0], float(row[1]), words(row[4])) for row in rows]


def long_file(all_clips, into):
    clip, seconds, _ = max(all_clips, key=lambda each: each[1])
    times = round(LONG_SECONDS / seconds)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", clip, "-b:a", "64k", into], check=True)
    return into


def post(url, path, fields):
    edge = uuid.uuid4().hex
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'.encode() + path.read_bytes()]
    parts += [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}'.encode() for k, v in fields.items()]
    body = b"\r\n".join(parts) + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={edge}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["text"]


def measure(hear, all_clips, long_path):
    """`hear(path)` gives a text. The figures of one peer."""
    short_clips = [each for each in all_clips if each[1] < 29]
    wrong = total = audio = 0
    texts = []
    began = time.monotonic()
    for path, seconds, reference in short_clips:
        heard = words(hear(path))
        texts.append(" ".join(heard))
        wrong, total, audio = wrong + errors(reference, heard), total + len(reference), audio + seconds
    took = time.monotonic() - began
    shortest = min(short_clips, key=lambda each: abs(each[1] - SHORT))[0]

    def one(_=None):
        start = time.monotonic()
        hear(shortest)
        return time.monotonic() - start

    single = statistics.median(one() for _ in range(REPEATED))
    start = time.monotonic()
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(one, range(12)))
    many = time.monotonic() - start
    start = time.monotonic()
    hear(long_path)
    return {"wer": 100 * wrong / total, "rtf": took / audio, "short": single, "many": many, "long": time.monotonic() - start, "texts": texts}


def resident(pid):
    """Megabytes of a process and its children."""
    total = 0
    for process in [pid, *(int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]:
        total += int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])
    return total / 1000


def hotmic(options, all_clips, long_path, provider="onnx"):
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        server = Server("--model", options.ggml, "--provider", provider,
                        *settings(default={"threads": options.threads, "slots": 2}), home=Path(folder))
        with server:
            server.wait_ready()
            ready = time.monotonic() - began
            figures = measure(lambda path: post(f"{server.url}/v1/audio/transcriptions", path, {"language": "en"}), all_clips, long_path)
            return figures | {"ready": ready, "memory": resident(server.process.pid)}


def whisper_cpp(options, all_clips, long_path):
    return hotmic(options, all_clips, long_path, "whisper_cpp")


def whisper_server(options, all_clips, long_path):
    binary = PEERS / "whisper/usr/bin/whisper-server"
    if not binary.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        lists = ["-o", f"Dir::State::lists={PEERS}/apt/lists", "-o", f"Dir::Cache={PEERS}/apt/cache", "-o", "Debug::NoLocking=1",
                 "-o", "APT::Sandbox::User=root", "-o", "Acquire::Check-Valid-Until=false"]
        for each in ("lists/partial", "cache/archives/partial"):
            (PEERS / "apt" / each).mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", *lists, "-qq", "update"], check=True)
        subprocess.run(["apt-get", *lists, "-qq", "download", "whisper.cpp-tools"], cwd=PEERS, check=True)
        subprocess.run(["dpkg-deb", "--extract", next(PEERS.glob("whisper.cpp-tools*.deb")), PEERS / "whisper"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    process = subprocess.Popen([binary, "-m", options.ggml, "-t", str(options.threads), "-l", "en", "--port", str(port), "--convert"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("whisper-server did not start")
                time.sleep(0.05)
        ready = time.monotonic() - began
        url = f"http://127.0.0.1:{port}/inference"
        figures = measure(lambda path: post(url, path, {"response_format": "json", "temperature": "0.0"}), all_clips, long_path)
        return figures | {"ready": ready, "memory": resident(process.pid)}
    finally:
        process.kill()
        process.wait()


def faster_whisper(options, all_clips, long_path):
    python = PEERS / "python/bin/python"
    if not python.exists():
        raise SystemExit("faster-whisper is not here; start this as bench/peers, which gets it")
    # OpenBLAS settings for other programs would slow it.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    arguments = [python, __file__, "--inside", "--ct2", options.ct2, "--speech", options.speech, "--threads", str(options.threads)]
    done = subprocess.run(arguments, env=clean | {"HOTMIC_BENCH_LONG": str(long_path)}, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def faster_whisper_inside(options):
    from faster_whisper import BatchedInferencePipeline, WhisperModel  # in its own environment

    began = time.monotonic()
    model = WhisperModel(str(options.ct2), device="cpu", compute_type="int8", cpu_threads=options.threads, local_files_only=True)
    ready = time.monotonic() - began

    def hear(path):
        segments, _ = model.transcribe(str(path), language="en", beam_size=1, condition_on_previous_text=False)
        return " ".join(each.text for each in segments)

    long_path = Path(os.environ["HOTMIC_BENCH_LONG"])
    figures = measure(hear, clips(options.speech), long_path)
    began = time.monotonic()
    segments, _ = BatchedInferencePipeline(model).transcribe(str(long_path), language="en", beam_size=1, batch_size=8)
    list(segments)
    print(json.dumps(figures | {"batched": time.monotonic() - began, "ready": ready, "memory": resident(os.getpid())}))


PEER = {"hotmic": hotmic, "faster_whisper": faster_whisper, "whisper_server": whisper_server, "whisper_cpp": whisper_cpp}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ggml", type=lambda path: Path(path).resolve())
    parser.add_argument("--ct2", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    parser.add_argument("--only", default="hotmic,faster_whisper,whisper_server")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return faster_whisper_inside(options)
    common.use_programs(options.bin)
    all_clips = clips(options.speech)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        long_path = long_file(all_clips, Path(folder) / "long.mp3")
        for name in options.only.split(","):
            figures[name] = PEER[name](options, all_clips, long_path)
            print(name, {key: round(value, 3) for key, value in figures[name].items() if key != "texts"}, file=sys.stderr, flush=True)
    columns = {"wer": "word errors, %", "rtf": "s of work a s of audio", "short": "2.1 s clip, s", "many": "12 from 4 clients, s",
               "long": "10 minutes, s", "batched": "the same, batched, s", "ready": "ready after, s", "memory": "resident, MB"}
    print("| |", " | ".join(columns.values()), "|")
    print("|---|" + "---|" * len(columns))
    for name, each in figures.items():
        print(f"| {name} |", " | ".join(f"{each[key]:.3g}" if key in each else "–" for key in columns), "|")
    for name, each in figures.items():
        if name != "hotmic" and "hotmic" in figures:
            ratios = {key: each[key] / figures["hotmic"][key] for key in ("rtf", "short", "many", "long", "batched") if key in each and key in figures["hotmic"]}
            if "batched" in each:
                ratios["batched"] = each["batched"] / figures["hotmic"]["long"]
            print(f"{name} ÷ hotmic:", ", ".join(f"{key} {value:.2f}" for key, value in ratios.items()))
            same = [one == other for one, other in zip(each["texts"], figures["hotmic"]["texts"], strict=True)]
            print(f"{name} hears the same in {sum(same)} of {len(same)} clips")
    return None


if __name__ == "__main__":
    sys.exit(main())
