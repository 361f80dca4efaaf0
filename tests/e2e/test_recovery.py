"""Workers that die or hang under requests: the client notices only the wait."""

import os
import signal
import subprocess
import threading
import wave

import pytest

import hotmic_py

FAST = ("--set", "models.*.warmup.validate=runs", "--set", "models.*.retry.initial_backoff_ms=1", "--set", "models.*.warmup.level=1")


@pytest.fixture
def serve_cold(tmp_path):
    started = []

    def start(model, *arguments):
        server = hotmic_py.Server("--provider", "fake", "--model", model, *FAST, *arguments, home=tmp_path, name="hotmic-faults")
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__(None, None, None)


@pytest.fixture
def serve(serve_cold):
    return lambda *arguments: serve_cold(*arguments).wait_ready()


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


def recording(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(samples)
    return path


def test_a_request_that_kills_its_model_twice_is_told_so(serve, tmp_path):
    server = serve("fake:poison=crash&slots=1", "--set", "models.*.supervise.crash_loop_deaths=2")
    poison = recording(tmp_path / "poison.wav", hotmic_py.poisoned(bytes(32000)))
    answer = server.transcribe(poison)
    assert (answer.status, answer.json()["error"]["code"]) == (422, "poison_request"), answer.text
    hotmic_py.until(lambda: "\n".join(server.lines).count("READY → ERROR") == 2, "both deaths have been told")
    server.until_ready()
    seen = len(server.lines)
    for _ in range(10):  # as a client does that tries again and again
        answer = server.transcribe(poison)
        assert (answer.status, answer.json()["error"]["code"]) == (422, "poison_request"), answer.text
    assert server.transcribe().status == 200
    assert not [line for line in server.lines[seen:] if "ERROR" in line], "no model died for its likes"
    assert 'hotmic_errors_total{code="poison_request"} 11' in server.request("/metrics").text


@pytest.mark.parametrize("field", ["language", "prompt", "model", "response_format", "temperature", "chunking_strategy"])
def test_a_field_of_megabytes_is_refused_at_the_door_with_its_name(serve, field):
    server = serve("fake:")
    [worker] = server.workers()
    for _ in range(3):
        answer = server.transcribe(**{field: "x" * (17 << 20)})
        error = answer.json()["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "invalid_request", field)
        assert len(answer.body) < 1000
    assert server.workers() == [worker]
    assert max(map(len, server.log().splitlines())) < 10_000


def test_an_answer_of_megabytes_is_an_error_and_the_model_stays(tmp_path):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:huge=20", "--level", "0", home=tmp_path, name="hotmic-faults") as server:
        server.wait_ready()
        [worker] = server.workers()
        answer = server.transcribe()
        assert (answer.status, answer.json()["error"]["code"]) == (500, "inference_failed")
        assert server.workers() == [worker]


def test_a_model_on_demand_serves_everyone_who_asks_while_it_loads(serve_cold):
    server = serve_cold("fake:load_ms=1500&text=hello", "--set", "models.*.load=demand")
    first = in_background(server.transcribe)
    server.wait_for("→ LOADING")
    for answer in [first, *[in_background(server.transcribe) for _ in range(3)]]:
        answer = answer()
        assert (answer.status, answer.json().get("text")) == (200, "hello"), answer.text


FOUR_HOURS = 4 * 3600 - 10  # what is longer than four hours is refused


@pytest.fixture(scope="module")
def four_hours(tmp_path_factory):
    """The same sentence all along."""
    path = tmp_path_factory.mktemp("recordings") / "long.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", hotmic_py.CLIP, "-t", str(FOUR_HOURS), "-ar", "8000", "-c:a", "adpcm_ima_wav", path],
                   check=True)
    return path


def test_four_hours_are_answered_and_have_time_for_it(serve, four_hours):
    """Each minute of audio brings its own time with it: in all it takes longer than the base allows."""
    server = serve("fake:infer_ms=20&text=hello", "--set", "models.*.request_timeout_ms=1000")
    answer = server.transcribe(four_hours, response_format="verbose_json")
    assert answer.status == 200, answer.text
    assert answer.json()["duration"] == pytest.approx(FOUR_HOURS, abs=1)
    assert answer.json()["text"].split() == ["hello"] * len(answer.json()["segments"])
    assert answer.json()["segments"][-1]["end"] == pytest.approx(FOUR_HOURS, abs=10)


def test_without_the_time_that_audio_brings_it_would_not_be(serve, four_hours):
    server = serve("fake:infer_ms=20&text=hello", "--set", "models.*.request_timeout_ms=1000", "--set", "models.*.request_timeout_factor=0")
    answer = server.transcribe(four_hours)
    assert (answer.status, answer.json()["error"]["code"]) == (504, "request_timeout")


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
