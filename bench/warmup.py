#!/usr/bin/env python3
"""What warming up is worth: for every engine and warmup level, how slow the first requests after READY are.

usage: dev/in bench/warmup.py [--runs 5] [--provider NAME …] [--level N …] [--json FILE]

Every run starts a server of its own (a fresh process with a fresh worker) and asks over HTTP, as a user would, one request after
the other: the built-in clip. Measured are

  ready      from starting the program to READY
  first      the first request after READY ÷ the steady state
  ten        the slowest of the first ten ÷ the steady state
  fallback   the first request that needs more than one decoder (temperature 0.4) ÷ the quicker of the next two; an engine without
             temperature takes it for any other request
  work       the same three in processor time of the worker instead of time on the clock: what else runs on the machine does not
             show in it, nor does waiting for a disk
  grown      what the worker's memory grew by after READY, through all these requests

The steady state is the median of the requests after the first ten of the same server, so that what else the machine does meanwhile
falls out of the ratios. Runs take turns over all levels, for the same reason. "cold": before the start, the model's files, the program and
its libraries are dropped from the page cache (posix_fadvise; what other processes have mapped stays, and the share that stayed is
printed). The table shows medians over the runs, and in brackets the worst run.

whisper_cpp runs the model that HOTMIC_TEST_WHISPER_MODEL names, else a generated one of the shape of tiny.en.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import common
from hotmic_py import Server

FIRST = 10
STEADY = 8
FALLBACK = 3


def flags_of(provider, level, model):
    flags = ["--provider", provider, "--set", f"models.default.warmup.level={level}"]
    if model:
        flags += ["--model", model]
        if level > 0 and "HOTMIC_TEST_WHISPER_MODEL" not in os.environ:
            flags += ["--set", "models.default.warmup.validate=runs"]  # it says its own sentence, whatever it hears
    return flags


def requests(server, worker, count, **fields):
    """So many in a row: milliseconds each took on the clock, and of the worker's processor time."""
    clock, work = [], []
    for _ in range(count):
        used = common.cpu_seconds(worker)
        began = time.monotonic()
        answer = server.transcribe(**fields)
        clock.append(1000 * (time.monotonic() - began))
        work.append(1000 * (common.cpu_seconds(worker) - used))
        if answer.status != 200:
            raise SystemExit(f"a request failed: {answer.text}")
    return clock, work


def ratios(first, steady, fallback):
    usual = statistics.median(steady)
    return {"first": first[0] / usual, "ten": max(first) / usual, "fallback": fallback[0] / min(fallback[1:])}


def run(provider, level, model, home):
    """One server's life, measured."""
    began = time.monotonic()
    with Server(*flags_of(provider, level, model), home=home) as server:
        server.wait_ready()
        ready = time.monotonic() - began
        [worker] = server.workers()
        resident = common.resident_bytes(worker)
        measured = [requests(server, worker, FIRST), requests(server, worker, STEADY),
                    requests(server, worker, FALLBACK, temperature="0.4")]
        grown = common.resident_bytes(worker) - resident
        server.stop()
    clock = [each[0] for each in measured]
    work = [each[1] for each in measured]
    return {"ready_s": ready, "steady_ms": statistics.median(clock[1]), "clock": ratios(*clock), "work": ratios(*work),
            "grown_mb": grown / 1e6, "clock_ms": clock, "work_ms": work}


def files_in_use(provider, model, home):
    """What a start reads: learned from a server that runs."""
    with Server(*flags_of(provider, 0, model), home=home) as server:
        server.wait_ready()
        files = {*common.mapped_files(server.process.pid), *(file for pid in server.workers() for file in common.mapped_files(pid))}
        server.stop()
    files.update(common.files_of(Path(model) if model else common.POCKETSPHINX_MODEL))
    return sorted(files)


def middle(runs, digits, *path):
    """Median of a figure over the runs, and in brackets the worst one."""
    values = []
    for each in runs:
        for key in path:
            each = each[key]
        values.append(each)
    return f"{statistics.median(values):.{digits}f} ({max(values):.{digits}f})"


def table(runs):
    rows = []
    for (provider, level, cache), done in runs.items():
        rows.append([provider, level, cache, middle(done, 2, "ready_s"), middle(done, 0, "steady_ms").split()[0]]
                    + [middle(done, 2, kind, what) for kind in ("clock", "work") for what in ("first", "ten", "fallback")]
                    + [middle(done, 0, "grown_mb")])
    return common.markdown(["engine", "level", "page cache", "ready, s", "steady, ms", "first", "ten", "fallback", "first, work",
                            "ten, work", "fallback, work", "grown, MB"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="servers for each row of the table (5)")
    parser.add_argument("--provider", nargs="+", default=["pocketsphinx", "whisper_cpp"], help="engines (both)")
    parser.add_argument("--level", nargs="+", type=int, default=[0, 1, 2, 3], help="warmup levels (0 to 3)")
    parser.add_argument("--cache", nargs="+", choices=["cold", "warm"], default=["cold", "warm"], help="page cache (both)")
    parser.add_argument("--shape", default="tiny.en", help="of the generated Whisper model (tiny.en)")
    parser.add_argument("--models", help="folder in which generated models are kept (a temporary one)")
    parser.add_argument("--bin", help="folder of the programs (the newest build's)")
    parser.add_argument("--json", help="file for every figure of every run")
    options = parser.parse_args()
    common.use_programs(options.bin)

    with tempfile.TemporaryDirectory(prefix="hotmic-bench-") as folder:
        home = Path(folder)
        cases = []
        files = {}
        models = {"pocketsphinx": None}
        for provider in options.provider:
            if provider == "whisper_cpp":
                models[provider] = os.environ.get("HOTMIC_TEST_WHISPER_MODEL") or common.whisper_model(options.shape,
                                                                                                       options.models or home)
            files[provider] = files_in_use(provider, models[provider], home)
            cases += [(provider, level, cache) for level in options.level for cache in options.cache]

        runs = {case: [] for case in cases}
        stayed = {provider: [] for provider in options.provider}
        for turn in range(options.runs):
            for case in cases:
                provider, level, cache = case
                if cache == "cold":
                    stayed[provider].append(common.evict(files[provider]))
                measured = run(provider, level, models[provider], home)
                runs[case].append(measured)
                print(f"run {turn + 1} of {options.runs}: {provider} level {level} {cache}: ready after {measured['ready_s']:.2f} s, first "
                      f"{measured['clock']['first']:.2f}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)

    print(f"{common.machine()}; {options.runs} runs a row: median (worst); ratios are to the steady state of the same server\n")
    print(table(runs))
    for provider, shares in stayed.items():
        if shares:
            print(f"\n{provider}: {100 * statistics.median(shares):.0f} % of the pages stayed in the cache when it was emptied")
    if options.json:
        report = {"machine": common.machine(), "runs": [{"provider": provider, "level": level, "cache": cache, **each}
                                                        for (provider, level, cache), done in runs.items() for each in done]}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
