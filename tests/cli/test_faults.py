"""How the commands report an engine that misbehaves: the same program with the fake provider added."""

from functools import partial

import pytest
from hotmic_py import CLIP, Server, run


@pytest.fixture
def faulty(home):
    """faulty("warmup", "crash=load") runs a command on a fake model."""

    def command(name, model, *arguments):
        return run(name, "--provider", "fake", "--model", f"fake:{model}", *arguments, home=home, name="hotmic-faults")

    return command


@pytest.fixture
def serve(home):
    return partial(serve_fake, home)


def serve_fake(home, model, *arguments):
    return Server("--provider", "fake", "--model", f"fake:{model}", *arguments, home=home, name="hotmic-faults")


def test_a_healthy_fake_is_healthy(faulty):
    done = faulty("transcribe", "text=hello there", CLIP)
    assert (done.code, done.out.strip(), done.err) == (0, "hello there", "")


@pytest.mark.parametrize("how, name", [("abort", "SIGABRT"), ("segv", "SIGSEGV"), ("kill", "SIGKILL")])
def test_an_engine_that_dies_while_loading_is_an_error_with_its_signal(faulty, how, name):
    done = faulty("warmup", f"crash=load&how={how}")
    assert done.code == 5
    assert name in done.err and done.err.startswith("hotmic: ")
    assert "LOADING → ERROR" in done.out


def test_a_load_that_hangs_ends_at_its_deadline(faulty):
    done = faulty("warmup", "hang=load&deaf=1", "--set", "models.default.load_timeout_ms=300")
    assert done.code == 5
    assert "load_timeout" in done.err + done.out


def test_a_failing_warmup_is_never_counted_as_warm(faulty):
    for model in ("fail=infer", "nan=1", "text=something quite different from what was said in there"):
        done = faulty("warmup", model)
        assert done.code == 5, model
        assert "WARMING_UP → ERROR" in done.out and "READY" not in done.out


def test_too_little_memory_is_refused_before_loading(faulty):
    done = faulty("transcribe", "need_mb=100000000", CLIP)
    assert done.code == 5
    assert "memory" in done.err


def test_a_worker_that_dies_costs_one_file_and_not_the_rest(faulty, home):
    for name in ("one", "two", "three"):
        (home / f"{name}.flac").write_bytes(CLIP.read_bytes())
    done = faulty("transcribe", "text=fine&crash=infer&after=1", "one.flac", "two.flac", "three.flac")
    assert done.code == 6
    assert done.out.split("\n")[:4] == ["==> one.flac <==", "fine", "==> three.flac <==", "fine"]
    assert done.err.startswith("hotmic: two.flac: ") and done.err.count("hotmic:") == 1


def test_doctor_says_when_the_memory_is_too_small(faulty):
    checked = faulty("doctor", "need_mb=100000000", "--port", "0")
    assert checked.code == 5
    assert "✗ memory" in checked.out


def test_a_server_that_loads_forever_still_answers_and_stops(serve):
    with serve("hang=load") as server:
        server.wait_for("→ LOADING")
        assert server.request("/livez").status == 200
        assert server.request("/readyz").status == 503
        assert server.stop() == 0
        assert not server.workers_left()


def test_a_failure_that_may_pass_is_tried_again_and_said(serve):
    with serve("fail=load", "--set", "models.default.retry.initial_backoff_ms=20", "--set",
               "models.default.retry.max_backoff_ms=20") as server:
        server.wait_for("trying again in")
        server.wait_for("ERROR → LOADING")
        assert server.stop() == 0
