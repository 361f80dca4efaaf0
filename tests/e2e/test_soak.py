"""Everything at once, at random, for a while: HOTMIC_SOAK_SECONDS (60), seeded by HOTMIC_SOAK_SEED. Clients that want text against a
server whose workers are killed and stopped, whose models are swapped, unloaded and loaded, and whose clients go away and send rubbish.
Prints what became of every request: lost must be none."""

import collections
import http.client
import json
import os
import random
import signal
import threading
import time
import urllib.error
from pathlib import Path

import hotmic_py
from hotmic_py import CLIP, SANITIZED, Server

SECONDS = float(os.environ.get("HOTMIC_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("HOTMIC_SOAK_SEED", "1"))
CLIENTS = 8
CONFIG = """
[models.default]
provider = "fake"
path = "fake:text=first&slots=4&infer_ms=15&load_ms=30"
fallback = ["second"]
warmup = { level = 1, validate = "runs" }
retry = { initial_backoff_ms = 5, max_backoff_ms = 50, max_attempts = 1000 }
supervise = { heartbeat_timeout_ms = 500, crash_loop_deaths = 1000, poison_refusal_ms = 0, canary_interval_ms = 200 }
drain_timeout_ms = 2000
max_waiting = 32

[models.second]
provider = "fake"
path = "fake:text=second&infer_ms=15"
aliases = []
required = false
load = "demand"
warmup = { level = 0 }
retry = { initial_backoff_ms = 5, max_backoff_ms = 50, max_attempts = 1000 }
supervise = { heartbeat_timeout_ms = 500, crash_loop_deaths = 1000, poison_refusal_ms = 0 }
"""
TEXTS = {"first", "second", "swapped"}
REASONS = {"model_not_loaded", "model_unloaded", "model_failed", "model_lost", "poison_request", "queue_full", "queue_timeout", "wait_timeout"}


class Soak:
    def __init__(self, server):
        self.server = server
        self.random = random.Random(SEED)
        self.over = threading.Event()
        self.counts = collections.Counter()
        self.lost = []
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def client(self):
        while not self.over.is_set():
            self.count("requests")
            try:
                answer = self.server.transcribe()
            except (OSError, urllib.error.URLError, http.client.HTTPException) as problem:
                self.lost.append(repr(problem))
                continue
            if answer.status == 200 and answer.json()["text"] in TEXTS:
                self.count("answered")
            elif answer.status in (422, 429, 503) and (code := answer.json()["error"]["code"]) in REASONS:
                self.count(f"refused: {code}")
            else:
                self.lost.append(f"{answer.status} {answer.text[:200]}")

    # --- what is done to the server ---
    def kill(self):
        self._signal(signal.SIGKILL)

    def hang(self):
        self._signal(signal.SIGSTOP)

    def _signal(self, which):
        if workers := self.server.workers():
            try:
                os.kill(self.random.choice(workers), which)
            except ProcessLookupError:
                pass

    def swap(self):
        path = self.random.choice(["fake:text=swapped&slots=4&infer_ms=15", "fake:text=first&slots=4&infer_ms=15", "fake:fail=load",
                                   "fake:crash=load", "fake:crash=infer", "fake:corrupt=1", "fake:need_mb=90000000"])
        self._admin("swap", {"path": path, "strategy": self.random.choice(["auto", "beside", "replace"])})

    def unload_and_load(self):
        self._admin("unload")
        self._admin("load")

    def warm(self):
        self._admin("warmup")

    def reload(self):
        self.server.process.send_signal(signal.SIGHUP)

    def _admin(self, action, body=None):
        answer = self.server.request(f"/admin/models/default/{action}", "POST", json.dumps(body).encode() if body else b"")
        assert answer.status < 500 or answer.json()["error"]["code"] in REASONS | {"insufficient_memory", "model_corrupt"}, answer.text

    def go_away(self):
        """A client that does not wait for its answer."""
        host = self.server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=hotmic_py.PATIENCE)
        boundary = "b"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n').encode() + CLIP.read_bytes()
        whole = body + f"\r\n--{boundary}--\r\n".encode()
        connection.request("POST", "/v1/audio/transcriptions", whole[:self.random.choice([1000, len(whole)])],
                           {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(len(whole))})
        connection.close()

    def rubbish(self):
        answer = self.server.request("/v1/audio/transcriptions", "POST", self.random.randbytes(2000),
                                     {"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status == 400, answer.text


def settled(server):
    deadline = time.monotonic() + hotmic_py.PATIENCE
    while time.monotonic() < deadline:
        health = server.request("/health").json()
        jobs = server.request("/admin/jobs").json()["jobs"]
        if health["model_state"] == "READY" and not any(job["state"] == "running" for job in jobs):
            return
        time.sleep(0.05)
    raise AssertionError(f"it never settled: {server.request('/admin/models').text}")


def resident_mb(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_nothing_is_lost(tmp_path):
    (tmp_path / "hotmic.toml").write_text(CONFIG)
    with Server("--log-level", "error", home=tmp_path, name="hotmic-faults") as server:
        settled(server)
        soak = Soak(server)
        for _ in range(50):
            assert server.transcribe().status == 200
        before, files = resident_mb(server), descriptors(server)
        faults = [soak.kill, soak.hang, soak.swap, soak.unload_and_load, soak.warm, soak.reload, soak.go_away, soak.rubbish]
        done = collections.Counter()
        clients = [threading.Thread(target=soak.client) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            fault = soak.random.choice(faults)
            fault()
            done[fault.__name__] += 1
            time.sleep(soak.random.uniform(0.05, 0.6))
        soak.over.set()
        for client in clients:
            client.join(hotmic_py.PATIENCE)
            assert not client.is_alive(), "a request is without an answer"
        server.request("/admin/models/default/load", "POST", b"")
        settled(server)
        assert server.transcribe().status == 200
        metrics = server.request("/metrics").text
        replayed = sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("hotmic_requests_replayed_total{"))
        print(f"\nSOAK {SECONDS:.0f} s, seed {SEED}: " + ", ".join(f"{key} {count}" for key, count in sorted(soak.counts.items()))
              + f", replayed {replayed:.0f}, lost {len(soak.lost)}; done to it: "
              + ", ".join(f"{key} {count}" for key, count in sorted(done.items()))
              + f"; server {before:.0f} → {resident_mb(server):.0f} MB, descriptors {files} → {descriptors(server)}")
        assert soak.lost == []
        assert soak.counts["answered"] > 0
        assert soak.counts["requests"] == sum(count for key, count in soak.counts.items() if key != "requests")
        deadline = time.monotonic() + 30
        while len(server.workers()) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)  # the fallback is being let go
        assert len(server.workers()) == 1
        assert descriptors(server) <= files + 4
        # A sanitizer keeps what is freed for a while, and looks for leaks itself.
        assert SANITIZED or resident_mb(server) < before + 100
        assert server.stop() == 0
        assert server.workers_left() == []
