"""How the server ends: nothing lost, nothing left."""

import contextlib
import os
import signal
import threading

import pytest
from conftest import FAKE_TEXT
from hotmic_py import PATIENCE, until


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


def test_what_is_in_flight_is_answered_before_the_end(fake):
    with fake(f"text={FAKE_TEXT}&infer_ms=1500") as server:
        server.wait_ready()
        [worker] = server.workers()
        under_way = Transcribing(server)
        server.until("busy")
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
        until(lambda: "shutting down" in server.request("/readyz").text, "it is not ready")
        assert server.request("/readyz").status == 503
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
        server.until("busy")
        server.process.send_signal(signal.SIGTERM)
        # No form: were it one and came before the signal, it would wait in the queue until everything is cancelled.
        ask = lambda: server.request("/v1/audio/transcriptions", "POST", b"", {"Content-Type": "text/plain"})
        until(lambda: ask().status != 400, "requests are refused")
        error_of(ask(), 503, "shutting_down")
        server.process.send_signal(signal.SIGINT)
        assert server.wait() == 128 + signal.SIGINT


def test_a_request_that_does_not_end_is_cancelled_in_time(fake, error_of):
    with fake("hang=infer", "--set", "server.shutdown_timeout_ms=3000") as server:
        server.wait_ready()
        [worker] = server.workers()
        under_way = Transcribing(server)
        server.until("busy")
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


DEAF = ("hang=infer&deaf=1", "--set", "models.*.isolate=false")  # nothing can end it but the process


def test_an_engine_that_never_stops_does_not_outlast_the_shutdown(fake):
    with fake(*DEAF, "--set", "server.shutdown_timeout_ms=1500") as server:
        server.wait_ready()
        Transcribing(server)
        server.until("busy")
        assert server.stop() == 1


def test_a_second_signal_ends_it_at_once_at_any_time_of_the_shutdown(fake):
    with fake(*DEAF, "--set", "server.shutdown_timeout_ms=3600000") as server:
        server.wait_ready()
        Transcribing(server)
        server.until("busy")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("→ UNLOADING")
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_a_hangup_does_not_cut_the_drain(fake):
    with fake("", "--set", "server.drain_delay_ms=600000", "--set", "server.shutdown_timeout_ms=3600000") as server:
        server.wait_ready()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.request("/readyz").status == 503, "it is not ready")
        for _ in range(3):
            server.process.send_signal(signal.SIGHUP)
            for _ in range(20):
                assert server.transcribe().status == 200
        assert server.stop() == 128 + signal.SIGTERM
