"""Unloading and shutting down in every state a model can be in: it answers, ends, and leaves no worker behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import hotmic_py
from hotmic_py import until

LEVEL_3 = ("--set", "models.*.warmup.validate=runs", "--set", "models.*.warmup.level=3", "--set", "models.*.warmup.level2.min_duration_ms=2000",
           "--set", "models.*.warmup.level3.min_duration_ms=60000", "--set", "models.*.warmup.budget_ms=60000")
# What brings a model into the state, and the line that tells that it is there.
STATES = {
    "UNINITIALIZED": ("text=hello", ("--set", "models.*.load=demand"), None),
    "LOADING": ("hang=load", (), "→ LOADING"),
    "WARMING_UP at level 1": ("hang=infer", ("--level", "1"), "→ WARMING_UP"),
    "WARMING_UP at level 2": ("text=hello&infer_ms=20", LEVEL_3, "→ WARMING_UP"),
    "READY": ("text=hello", ("--level", "0"), "→ READY"),
    "ERROR": ("fail=load", ("--set", "models.*.retry.max_attempts=1"), "→ ERROR"),
    "ERROR, about to try again": ("fail=load", ("--set", "models.*.retry.initial_backoff_ms=60000"), "→ ERROR"),
    "UNLOADING": ("hang=infer", ("--level", "0"), "→ READY"),
}


@pytest.fixture(params=STATES)
def server(request, tmp_path):
    script, settings, sign = STATES[request.param]
    with hotmic_py.Server("--provider", "fake", "--model", f"fake:{script}", "--set", "server.shutdown_timeout_ms=5000", *settings,
                          home=tmp_path, name="hotmic-faults") as server:
        if sign:
            server.wait_for(sign)
        if request.param == "UNLOADING":
            with ThreadPoolExecutor(1) as pool:  # a request that never ends holds the unload up
                pool.submit(server.transcribe)
                server.until("busy")
                server.request("/admin/models/default/unload", "POST", b"")
                server.wait_for("→ UNLOADING")
                yield server
                server.process.kill()
        else:
            yield server


def finished(server, job):
    current = lambda: server.request(f"/admin/jobs/{job['id']}").json()["job"]
    return until(lambda: (now := current())["state"] != "running" and now, "the job has ended")


def test_an_unload_in_any_state(server):
    answer = server.request("/admin/models/default/unload", "POST", b"")
    assert answer.status in (200, 202), answer.text
    assert server.request("/livez").status == 200
    if server.request("/model-status").json()["health"]["state"] == "UNLOADING":
        return  # it waits for its request; test_two_unloads_under_sixteen_requests goes on from here
    finished(server, answer.json()["job"])
    status = server.request("/model-status").json()
    assert status["health"]["state"] == "UNINITIALIZED"
    assert server.workers_left() == []


def test_it_ends_in_any_state(server):
    assert server.stop() == 0
    assert server.workers_left() == []


def test_two_unloads_under_sixteen_requests(tmp_path):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=hello&infer_ms=300&slots=4", "--level", "0", home=tmp_path,
                          name="hotmic-faults") as server, ThreadPoolExecutor(18) as pool:
        server.wait_ready()
        requests = [pool.submit(server.transcribe) for _ in range(16)]
        server.until("busy", 4)
        unloads = [pool.submit(server.request, "/admin/models/default/unload", "POST", b"") for _ in range(2)]
        for unload in unloads:
            assert finished(server, unload.result().json()["job"])["state"] == "succeeded"
        answers = [request.result() for request in requests]
        assert all(answer.status == 200 and answer.json()["text"] == "hello" or answer.json()["error"]["code"] in ("model_unloaded", "model_not_loaded")
                   for answer in answers)
        assert sum(answer.status == 200 for answer in answers) >= 4, "what was under way is finished"
        assert server.request("/model-status").json()["health"]["state"] == "UNINITIALIZED"
        assert server.workers_left() == []
        assert server.request("/admin/models/default/load", "POST", b"").status == 202
        server.wait_for("→ READY", after=len(server.lines) - 1)
        assert server.transcribe().status == 200
