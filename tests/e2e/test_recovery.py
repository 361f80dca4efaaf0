"""Workers that die or hang under requests: the client notices only the wait."""

import os
import signal
import threading

import pytest

import hotmic_py

FAST = ("--set", "models.*.warmup.validate=runs", "--set", "models.*.retry.initial_backoff_ms=1", "--set", "models.*.warmup.level=1")


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(model, *arguments):
        server = hotmic_py.Server("--provider", "fake", "--model", model, *FAST, *arguments, home=tmp_path, name="hotmic-faults")
        started.append(server.__enter__())
        return server.wait_ready()

    yield start
    for server in started:
        server.__exit__(None, None, None)


def in_background(call):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()

    def join():
        thread.join(60)
        assert answers, "no answer came"
        return answers[0]

    return join


def test_a_request_under_way_is_replayed_on_the_recovered_model(serve):
    server = serve("fake:slots=1&infer_ms=1500&text=hello")
    answers = [in_background(server.transcribe) for _ in range(3)]  # one runs, two wait
    server.until("busy")
    os.kill(server.workers()[0], signal.SIGKILL)
    for answer in answers:
        answer = answer()
        assert answer.status == 200, answer.text
        assert answer.json()["text"] == "hello"
    assert 'hotmic_requests_replayed_total{model="default"} 3' in server.request("/metrics").text


def test_a_request_that_kills_its_model_twice_is_told_so(serve):
    server = serve("fake:crash=infer&after=1&slots=1")
    answer = server.transcribe()
    assert answer.status == 503
    assert answer.json()["error"]["code"] == "model_lost"


def test_a_hung_worker_is_noticed_and_replaced(serve):
    server = serve("fake:text=hello", "--set", "models.*.supervise.heartbeat_timeout_ms=400")
    seen = len(server.lines)
    os.kill(server.workers()[0], signal.SIGSTOP)
    server.wait_for(r"READY → ERROR.*worker_hung", after=seen)
    server.wait_for(r"→ READY", after=seen)
    assert server.transcribe().json()["text"] == "hello"


def test_a_model_nobody_uses_rests_and_the_next_request_wakes_it(serve):
    server = serve("fake:text=hello", "--set", "models.*.idle_unload_ms=300")
    server.wait_for(r"UNLOADING → UNINITIALIZED")
    assert server.workers() == []
    assert server.request("/readyz").status == 200, "a resting model serves: the next request loads it"
    assert server.workers() == [], "a probe wakes nothing"
    answer = server.transcribe()
    assert (answer.status, answer.json()["text"]) == (200, "hello")


def test_a_crash_loop_is_a_state_of_its_own(serve):
    server = serve("fake:", "--set", "models.*.supervise.crash_loop_deaths=2")
    for death in range(2):
        seen = len(server.lines)
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for(r"READY → ERROR", after=seen)
        if death == 0:
            server.wait_for(r"→ READY", after=seen)
    health = server.request("/health")
    assert health.status == 503
    assert "died 2 times" in health.json()["reason"]
