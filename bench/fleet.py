#!/usr/bin/env python3
"""What clients see of three servers behind HAProxy (deploy/haproxy/haproxy.cfg) while servers come and go.

usage: dev/in bench/fleet.py MODEL [--provider NAME] [--rounds N] [--text WORDS] [--bin FOLDER]

Clients ask all the time: two for files, one for a stream of events, one live, each with the built-in clip. --text is what its text has to contain
(lower case). A round restarts each server in turn, swaps the model of each, kills one (kill -9) and freezes one (SIGSTOP).

  answered  files; how many requests of all kinds failed, and the 99th percentile of the files' latency
  streams   that came to their end; torn: ended without a word of why
  sessions  live ones whose speech was recognized; moved: told to go, and went on elsewhere; torn likewise
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import common
import hotmic_py
from fleet import Fleet, Load
from streaming import percentile


def phase(load, what, work):
    """Runs it under load; what was seen meanwhile, as a row."""
    before = {name: len(value) if isinstance(value, list) else value for name, value in vars(load.seen).items()}
    began = time.monotonic()
    work()
    seen = {name: (len(value) if isinstance(value, list) else value) - before[name] for name, value in vars(load.seen).items()}
    latencies = load.seen.latencies[before["latencies"]:]
    return [what, f"{time.monotonic() - began:.0f} s", str(seen["answered"]), str(seen["failed"]), f"{percentile(latencies, 0.99):.2f} s", str(seen["streamed"]),
            str(seen["sessions"]), str(seen["moved"]), str(seen["torn"])]


def swap(server, model):
    """The same weights once more, as another model."""
    job = server.request("/admin/models/default/swap", "POST", json.dumps({"path": str(model)}).encode(), {"Content-Type": "application/json"}).json()["job"]
    server.request(f"/admin/jobs/{job['id']}/events")  # to its end
    ended = server.request(f"/admin/jobs/{job['id']}").json()["job"]
    assert ended["state"] == "succeeded", ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--text", default="good morning everyone")
    parser.add_argument("--bin")
    options = parser.parse_args()
    common.use_programs(options.bin)
    model = options.model.resolve()
    with tempfile.TemporaryDirectory() as folder:

        def start(name, port):
            home = Path(folder) / name
            home.mkdir(exist_ok=True)
            return hotmic_py.Server("--model", model, *(["--provider", options.provider] if options.provider else []),
                                    "--set", "server.drain_delay_ms=1500", port=port, home=home)

        with Fleet(Path(folder), start, answer_timeout="30s") as fleet, Load(fleet.front, options.text, files=2, streams=1, live=1) as load:
            rows = [phase(load, "nothing", lambda: time.sleep(60))]
            for _ in range(options.rounds):
                for name in fleet.NAMES:
                    rows.append(phase(load, f"restart {name}", lambda name=name: fleet.restart(name)))
                for name in fleet.NAMES:
                    rows.append(phase(load, f"swap {name}", lambda name=name: swap(fleet.servers[name], model)))
                rows.append(phase(load, "kill -9 one", lambda: fleet.kill("one")))
                rows.append(phase(load, "freeze two", lambda: fleet.freeze("two", lambda: time.sleep(5))))
    print(common.markdown(["what happens", "for", "answered", "failed", "p99", "streams", "sessions", "moved", "torn"], rows))
    for failure in load.seen.failed:
        print(failure)
    return 1 if load.seen.failed else 0


if __name__ == "__main__":
    sys.exit(main())
