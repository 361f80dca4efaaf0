#!/usr/bin/env python3
"""What users notice of a swap, and of another model being loaded beside theirs.

usage: dev/in bench/swap.py [--swaps N] [--clients N] [--seconds S] [--engine NAME …]

For each engine, one server and so many clients that ask without a pause for the built-in clip's text:

  quiet    nothing else happens
  swaps    the model is swapped again and again between two settings of itself, the new one made ready beside the old one
  beside   another model is loaded, warmed up and unloaded again and again
  pulls    a model of 150 MB is downloaded by the server from this machine and removed again and again

A table: requests, failures (anything but the text of a model that was READY), latency at the median and the 99th percentile, and the
latter ÷ the quiet one. `fake` answers after 20 ms of sleep, so its figures are what the server adds; the others compete with
the load and warmup of the second model for the processor.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import common
from hotmic_py import Server

CONFIG = {
    "fake": '[models.default]\nprovider = "fake"\npath = "fake:slots=4&infer_ms=20&text=a"\nwarmup = { level = 1, validate = "runs" }\n'
            '[models.other]\nprovider = "fake"\npath = "fake:slots=4&infer_ms=20&load_ms=200"\nload = "demand"\nrequired = false\n'
            'warmup = { level = 1, validate = "runs" }\n',
    "pocketsphinx": '[models.default]\nprovider = "pocketsphinx"\nslots = 2\n'
                    '[models.other]\nprovider = "pocketsphinx"\nload = "demand"\nrequired = false\nslots = 2\n',
}
SWAPS = {"fake": [{"path": "fake:slots=4&infer_ms=20&text=b"}, {"path": "fake:slots=4&infer_ms=20&text=a"}],
         "pocketsphinx": [{"warmup": {"level": 1}}, {"warmup": {"level": 2}}]}


def post(server, path, body=None):
    return server.request(path, "POST", json.dumps(body).encode() if body else b"").json()["job"]


def ended(server, job):
    server.request(f"/admin/jobs/{job['id']}/events")
    job = server.request(f"/admin/jobs/{job['id']}").json()["job"]
    if job["state"] != "succeeded":
        raise SystemExit(f"a job failed: {job}")
    return job


def load(server, clients, meanwhile):
    """Latencies in ms and failures of so many clients for as long as `meanwhile` takes."""
    over, latencies, failures = threading.Event(), [], []

    def client():
        while not over.is_set():
            began = time.monotonic()
            answer = server.transcribe()
            latencies.append(1000 * (time.monotonic() - began))
            if answer.status != 200:
                failures.append(answer.text)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    done = meanwhile()
    over.set()
    for thread in threads:
        thread.join()
    return latencies, failures, done


def measure(engine, options, home, catalogue):
    (home / "hotmic.toml").write_text(f'catalogue = "{catalogue}"\n' + CONFIG[engine])
    name = "hotmic-faults" if engine == "fake" else "hotmic"

    def swaps(server):
        for turn in range(options.swaps):
            ended(server, post(server, "/admin/models/default/swap", SWAPS[engine][turn % 2] | {"strategy": "beside"}))
        return options.swaps

    def beside(server):
        count, end = 0, time.monotonic() + options.seconds
        while time.monotonic() < end:
            ended(server, post(server, "/admin/models/other/load"))
            ended(server, post(server, "/admin/models/other/unload"))
            count += 1
        return count

    def pulls(server):
        count, end = 0, time.monotonic() + options.seconds
        while time.monotonic() < end:
            ended(server, post(server, "/admin/models/pull", {"model": "bench-large"}))
            for model in (home / ".local/share/hotmic/models").glob("bench-large-*"):
                shutil.rmtree(model)
            count += 1
        return count

    def quiet(server):
        time.sleep(options.seconds)
        return 0

    rows, usual = [], None
    with Server("--log-level", "error", home=home, name=name, env={"no_proxy": "127.0.0.1"}) as server:
        server.wait_ready()
        for kind, what in (("quiet", quiet), ("swaps", swaps), ("beside", beside), ("pulls", pulls)):
            latencies, failures, done = load(server, options.clients, lambda: what(server))
            p99 = statistics.quantiles(latencies, n=100)[98]
            usual = usual or p99
            rows.append([engine, kind, done, len(latencies), len(failures), f"{statistics.median(latencies):.0f}", f"{p99:.0f}",
                         f"{p99 / usual:.2f}"])
        server.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15, help="of the quiet time, of loading beside and of pulls (15)")
    parser.add_argument("--engine", nargs="+", default=list(CONFIG), choices=list(CONFIG))
    parser.add_argument("--bin", help="folder of the programs (the newest build's)")
    options = parser.parse_args()
    common.use_programs(options.bin)
    rows = []
    with tempfile.TemporaryDirectory(prefix="hotmic-bench-") as folder:
        file, digest = common.model_to_pull(folder)
        with common.web_server(Path(folder) / "web") as url:
            catalogue = common.catalogue_of(folder, url, file, digest)
            for engine in options.engine:
                home = Path(folder) / engine
                home.mkdir()
                rows += measure(engine, options, home, catalogue)
    print(f"{common.machine()}; {options.clients} clients\n")
    print(common.markdown(["engine", "meanwhile", "times", "requests", "failed", "p50, ms", "p99, ms", "÷ quiet"], rows))


if __name__ == "__main__":
    main()
