"""A worker that dies (SIGKILL) or hangs (SIGSTOP) at every moment of its life: the server answers throughout, no request is
without an answer, nothing is left behind, and the model is READY again. Prints how long that took; docs/failures.md names these."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hotmic_py
from hotmic_py import children_of, until

SETTINGS = ("--set", "models.*.warmup.validate=runs", "--set", "models.*.retry.initial_backoff_ms=10", "--set", "models.*.supervise.heartbeat_timeout_ms=400",
            "--set", "models.*.warmup.level=3", "--set", "models.*.warmup.level2.min_duration_ms=300",
            "--set", "models.*.warmup.level3.min_duration_ms=300", "--set", "models.*.warmup.level3.iterations=1",
            "--set", "models.*.warmup.budget_ms=1000")
MODEL = "fake:load_ms=400&steps=100&infer_ms=60&slots=4&text=hello"


def model(server):
    return server.request("/model-status").json()


def half_loaded(server):
    health = model(server)["health"]
    return health["state"] == "LOADING" and health["bytes_total"] and health["bytes_read"] * 2 >= health["bytes_total"]


def warming(level):
    return lambda server: model(server)["health"]["state"] == "WARMING_UP" and model(server)["health"]["warmup_level"] == level


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def zombies(server):
    return [pid for pid in children_of(server.process.pid) if "State:\tZ" in Path(f"/proc/{pid}/status").read_text()]


def check_recovered(server, seen, broken_at, what):
    server.wait_for(r"→ ERROR", after=seen)
    server.wait_for(r"→ READY", after=seen)
    print(f"\nRECOVERY {what}: READY after {1000 * (time.monotonic() - broken_at):.0f} ms")
    assert server.request("/livez").status == 200
    assert server.request("/readyz").status == 200
    assert len(server.workers()) == 1 and zombies(server) == []
    assert server.transcribe().json()["text"] == "hello"


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=lambda fault: fault.name)
@pytest.mark.parametrize("moment, reached", [("loading", half_loaded), ("warming-1", warming(1)), ("warming-2", warming(2)), ("warming-3", warming(3))])
def test_before_it_is_ready(tmp_path, fault, moment, reached):
    with hotmic_py.Server("--provider", "fake", "--model", MODEL, *SETTINGS, home=tmp_path, name="hotmic-faults") as server:
        until(lambda: reached(server))
        seen = len(server.lines)
        broken_at = time.monotonic()
        os.kill(server.workers()[0], fault)
        check_recovered(server, seen, broken_at, f"{fault.name} {moment}")


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    with hotmic_py.Server("--provider", "fake", "--model", MODEL, *SETTINGS, "--set", "models.*.supervise.crash_loop_deaths=100",
                          home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        yield server.wait_ready()


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=lambda fault: fault.name)
@pytest.mark.parametrize("requests", [0, 1, 16])
def test_while_it_serves(ready, fault, requests):
    ready.transcribe()
    before = descriptors(ready)
    with ThreadPoolExecutor(16) as clients:
        seen = len(ready.lines)
        answers = [clients.submit(ready.transcribe) for _ in range(requests)]
        if requests:
            until(lambda: model(ready)["stats"]["busy"] > 0)
        broken_at = time.monotonic()
        os.kill(ready.workers()[0], fault)
        for answer in answers:
            answer = answer.result()
            assert (answer.status, answer.json().get("text")) == (200, "hello"), answer.text
    check_recovered(ready, seen, broken_at, f"{fault.name} under {requests} requests")
    until(lambda: descriptors(ready) <= before)
