"""Every number in the configuration at its least, at its most, and at 0 and 1 between: the server works with it, or does not start and names it.
Nothing aborts, hangs or crashes. (What is beyond either end is refused: tests/config/load_test.cpp.)

The keys are those of docs/configuration.md, which a test of its own keeps in step with the schema."""

import contextlib
import re
import signal

import hotmic_py
import pytest
from hotmic_py import SOURCE, until

ROW = re.compile(r"^(?:## \[(\S+)\]|\| `([\w.]+)` \| (integer|number) from (\S+) to (\S+?)(?: or unset)? \| .*)$", re.MULTILINE)


def keys():
    section = ""
    for heading, key, kind, least, most in ROW.findall((SOURCE / "docs/configuration.md").read_text()):
        if heading:
            section = heading.replace("*", "default") + "."
        else:
            number = int if kind == "integer" else float
            yield section + key, number(least), number(most)


KEYS = list(keys())
every_key = pytest.mark.parametrize(("key", "least", "most"), KEYS, ids=[key for key, *_ in KEYS])
FOR_LONG = {"models.default.warmup.level2.min_duration_ms", "models.default.warmup.level3.min_duration_ms", "models.default.warmup.level3.iterations"}
# What else has to be set, so that the key means something and contradicts nothing.
WARMUP = "models.default.warmup."
MONTH = 2592000000
WITH = {"server.drain_delay_ms": {"server.shutdown_timeout_ms": MONTH}, "models.default.stall_timeout_ms": {"models.default.load_timeout_ms": MONTH},
        "models.default.retry.initial_backoff_ms": {"models.default.retry.max_backoff_ms": MONTH}, WARMUP + "timeout_ms": {WARMUP + "budget_ms": 1},
        WARMUP + "budget_ms": {WARMUP + "timeout_ms": MONTH}, WARMUP + "level3.iterations": {WARMUP + "level": 3},
        WARMUP + "level2.min_duration_ms": {WARMUP + "budget_ms": MONTH, WARMUP + "timeout_ms": MONTH},
        WARMUP + "level3.min_duration_ms": {WARMUP + "level": 3, WARMUP + "budget_ms": MONTH, WARMUP + "timeout_ms": MONTH}}
# What a request may end with where somebody wants it so.
REFUSALS = {"body_too_large", "audio_too_long", "client_too_slow", "queue_full", "queue_timeout", "request_timeout", "model_failed", "model_not_loaded",
            "model_lost", "server_busy", "audio_too_costly", "inference_failed", "poison_request"}


def test_there_are_as_many_as_it_seems():
    assert len(KEYS) > 50
    assert {"parallel_loads", "server.idle_timeout_ms", "models.default.warmup.level3.iterations"} < {key for key, *_ in KEYS}


@every_key
def test_the_server_works_with_it_or_does_not_start(home, key, least, most):
    with contextlib.ExitStack() as stack:
        running = []
        for value in sorted({each for each in (0, 1, least, most) if least <= each <= most}):
            each_set = [flag for name, number in ({key: value} | WITH.get(key, {})).items() for flag in ("--set", f"{name}={number}")]
            server = hotmic_py.Server("--provider", "fake", "--model", "fake:load_ms=1", *each_set, home=home, name="hotmic-faults")
            stack.callback(server.__exit__)
            running.append((value, server))
        for value, server in running:
            try:
                server.url = server.wait_for(r"^listening on (http://\S+)").group(1)
            except AssertionError:
                assert server.wait() == 7 and key in server.log(), f"{value}: {server.log()}"
                continue
            works(server, key, value)
            ends(server, key, value)


def works(server, key, value):
    """It answers probes; once its model is loaded, or has failed, it transcribes, or says which limit is in the way."""

    def lives():
        with contextlib.suppress(OSError):  # where connections may be idle for a millisecond only
            return server.request("/livez").status == 200

    until(lives, f"{key}={value} lives")
    if key not in FOR_LONG or value <= 1:
        server.wait_for("→ (READY|ERROR)")
    with contextlib.suppress(ConnectionError):
        answer = server.transcribe()
        assert answer.status == 200 or answer.json()["error"]["code"] in REFUSALS, f"{key}={value}: {answer.text}"
    assert server.process.poll() is None, f"{key}={value}: {server.log()}"


def ends(server, key, value):
    if key == "server.drain_delay_ms" and value > 1:  # it drains for as long as it was told to, and a second signal ends it
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "shutting down" in server.log(), "it drains")
    code = server.stop()
    assert code in (0, 1, 128 + signal.SIGTERM), f"{key}={value}: {server.log()}"
