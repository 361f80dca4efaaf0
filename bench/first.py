#!/usr/bin/env python3
"""Whether the first request of every length is as fast as those after it.

usage: dev/in bench/first.py MODEL [--provider NAME] [--runs N] [--speech FOLDER] [--bin FOLDER]

A server is started and READY; then one English clip for each whole number of seconds that there is in --speech (default
../shared/speech, with a manifest.tsv) is asked for seven times over HTTP, the shortest first. `first` is the first of them, `steady`
the median of the others; the ratios are medians over the runs, each with a server of its own.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import common
from hotmic_py import SOURCE, Server
from peers import clips

ASKED = 7


def measure(options, chosen):
    """Whole seconds of audio → (first, steady), in seconds."""
    figures = {}
    with tempfile.TemporaryDirectory() as home:
        with Server("--model", options.model.resolve(), *(["--provider", options.provider] if options.provider else []), home=Path(home)) as server:
            server.wait_ready()
            for seconds, clip in chosen.items():
                took = []
                for _ in range(ASKED):
                    began = time.monotonic()
                    server.transcribe(clip, language="en")
                    took.append(time.monotonic() - began)
                figures[seconds] = (took[0], statistics.median(took[1:]))
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    options = parser.parse_args()
    common.use_programs(options.bin)
    chosen = {int(seconds): path for path, seconds, _ in sorted(clips(options.speech), key=lambda each: each[1]) if seconds < 30}
    runs = [measure(options, chosen) for _ in range(options.runs)]
    print(f"{options.model.name} on {common.machine()}")
    rows = []
    for seconds in chosen:
        steady = statistics.median(run[seconds][1] for run in runs)
        ratio = statistics.median(run[seconds][0] / run[seconds][1] for run in runs)
        rows.append([f"{seconds} s", f"{steady * 1000:.0f} ms", f"{ratio:.2f}"])
    print(common.markdown(["audio", "steady", "first ÷ steady"], rows))


if __name__ == "__main__":
    sys.exit(main())
