"""How the server ends: nothing lost, nothing left."""

import contextlib
import os
import signal
import threading

import pytest
from conftest import FAKE_TEXT
from hotmic_py import PATIENCE


class Transcribing(threading.Thread):
    """A request under way on a thread of its own."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.answer = None
        self.start()

    def run(self):
        with contextlib.suppress(OSError):  # a server that ends at once answers nothing
            self.answer = self.server.transcribe()

    def result(self):
        self.join(PATIENCE)
        assert self.answer is not None, "the request was never answered"
        return self.answer


def wait_busy(server, count=1):
    waited = threading.Event()
    for _ in range(PATIENCE * 50):
        if server.request("/model-status").json()["stats"]["busy"] == count:
            return
        waited.wait(0.02)
    raise AssertionError(f"busy never became {count}")


def test_what_is_in_flight_is_answered_before_the_end(fake):
    with fake(f"text={FAKE_TEXT}&infer_ms=1500") as server:
        server.wait_ready()
        [worker] = server.workers()
        under_way = Transcribing(server)
        wait_busy(server)
        assert server.stop() == 0
        assert under_way.result().json()["text"] == FAKE_TEXT
        assert "→ UNINITIALIZED" in "\n".join(server.lines)
        with pytest.raises(ProcessLookupError):

            os.kill(worker, 0)


def test_a_request_that_was_answered_holds_nothing_back(fake):
    """Were its lease still held, the unload would have to cancel it after the drain."""
    with fake("") as server:
        server.wait_ready()
        for _ in range(3):
            assert server.transcribe().status == 200
        server.transcribe(model="none")
        assert server.stop() == 0
        assert "cancel" not in "\n".join(server.lines)


def test_while_draining_it_serves_but_is_not_ready(fake, error_of):
    with fake("", "--set", "server.drain_delay_ms=60000", "--set", "server.shutdown_timeout_ms=120000") as server:
        server.wait_ready()
        server.process.send_signal(signal.SIGTERM)
        waited = threading.Event()
        for _ in range(PATIENCE * 50):
            probe = server.request("/readyz")
            if probe.status == 503:
                break
            waited.wait(0.02)
        assert probe.status == 503 and "shutting down" in probe.text
        assert server.request("/livez").status == 200
        assert server.request("/startupz").status == 200
        assert server.request("/health").status == 503
        assert server.transcribe().status == 200
        server.process.send_signal(signal.SIGTERM)  # a second one does not wait
        assert server.wait() == 128 + signal.SIGTERM


def test_new_requests_are_refused_while_old_ones_end(fake, error_of):
    with fake("hang=infer") as server:
        server.wait_ready()
        Transcribing(server)
        wait_busy(server)
        server.process.send_signal(signal.SIGTERM)
        waited = threading.Event()
        for _ in range(PATIENCE * 50):
            # No form: were it one, it would wait in the queue until everything is cancelled if it came before the signal.
            answer = server.request("/v1/audio/transcriptions", "POST", b"", {"Content-Type": "text/plain"})
            if answer.status != 400:
                break
            waited.wait(0.02)
        error_of(answer, 503, "shutting_down")
        server.process.send_signal(signal.SIGINT)
        assert server.wait() == 128 + signal.SIGINT


def test_a_request_that_does_not_end_is_cancelled_in_time(fake, error_of):
    with fake("hang=infer", "--set", "server.shutdown_timeout_ms=3000") as server:
        server.wait_ready()
        [worker] = server.workers()
        under_way = Transcribing(server)
        wait_busy(server)
        assert server.stop() == 0
        answer = under_way.result()
        assert answer.status in (499, 503) and answer.json()["error"]["code"] in ("cancelled", "model_unloaded", "model_lost")

        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@pytest.mark.parametrize("script", ["hang=load", "hang=load&deaf=1"])
def test_it_ends_while_the_model_loads(fake, script):
    with fake(script, "--set", "server.shutdown_timeout_ms=5000") as server:
        server.wait_for("→ LOADING")
        assert server.stop() == 0


def test_uploads_leave_no_files_behind(fake, home):
    with fake("", env={"TMPDIR": str(home)}) as server:
        server.wait_ready()
        assert server.transcribe().status == 200
        assert server.stop() == 0
        assert not list(home.glob("hotmic-*"))
