"""What models are is found out beside the server, in a process of its own, whatever their files do."""

import json
import os
import signal

import hotmic_py
import pytest
from hotmic_py import until


def of_unknown_kind(path, home, *more):
    """A server that has to find out what the file is."""
    return hotmic_py.Server("--provider", "auto", "--model", path, "--level", "0", *more, home=home, name="hotmic-faults")


def test_the_port_is_bound_and_answers_while_a_model_file_cannot_be_read(home, error_of):
    with of_unknown_kind("fake:examine=hang", home) as server:
        for _ in range(20):
            assert server.request("/livez").status == 200
        ready = server.request("/readyz", headers={"Accept": "application/json"})
        assert ready.status == 503 and ready.json()["models"] == []
        error_of(server.transcribe(), 503, "model_not_loaded")
        health = server.request("/health")
        assert health.status == 503 and health.json()["status"] == "loading" and health.json()["model_state"] == "UNINITIALIZED"
        assert "finding out" in health.json()["reason"] and not health.json()["model_ready"]
        for path in ("/health", "/metrics", "/model-status", "/v1/models", "/startupz", "/capabilities", "/v2/models/default"):
            assert server.request(path).status in (200, 404, 503), path
        begun = [server.process.pid, *examiners(server)]
        assert len(begun) == 2
        assert server.stop() == 0
        assert not [pid for pid in begun[1:] if os.path.exists(f"/proc/{pid}")]


def examiners(server):
    return server.children("examiner")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_a_model_file_cannot_be_read(home, end):
    with of_unknown_kind("fake:examine=hang", home, "--set", "server.shutdown_timeout_ms=60000") as server:
        assert server.stop(end) == 0
        assert "ending at once" not in server.log()


def test_a_model_file_that_crashes_its_reader_is_an_error_of_the_model(home):
    with of_unknown_kind("fake:examine=crash", home) as server:
        until(lambda: "model_corrupt" in server.request("/model-status").text, "it is told")
        assert "SIGABRT" in server.request("/model-status").text
        assert server.process.poll() is None


def test_a_fifo_in_place_of_a_model_holds_nothing_up(home):
    fifo = home / "model.bin"
    os.mkfifo(fifo)
    with of_unknown_kind(fifo, home, "--set", "models.default.required=false") as server:
        assert server.request("/livez").status == 200
        until(lambda: "is not a regular file" in server.request("/model-status").text, "it is told")
        assert server.stop() == 0


def test_swaps_and_reloads_hold_no_other_answers_up(home):
    """While a swap looks at a file that cannot be read, every loop answers."""
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=a", "--level", "0", "--set", "server.io_threads=1", home=home,
                          name="hotmic-faults") as server:
        server.wait_ready()
        from raw_http import connect

        body = json.dumps({"provider": "auto", "path": "fake:examine=hang"}).encode()
        with connect(server) as client:
            client.sendall(b"POST /admin/models/default/swap HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
            until(lambda: len(examiners(server)) == 1, "the file is being looked at")
            assert server.transcribe().json()["text"] == "a"
            assert server.request("/readyz").status == 200
            assert server.stop() == 0
