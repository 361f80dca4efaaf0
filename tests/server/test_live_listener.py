"""EchoPanel's live captions over a real socket; the engine is the fake one."""

import base64
import contextlib
import random
import struct
import time

import pytest

pytest.importorskip("websockets", reason="NO WEBSOCKETS: apt install python3-websockets")
from hotmic_py import Messages, speech_pcm  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

PATH = "/ws/live-listener"
START = {"type": "start", "session_id": "s-1", "sample_rate": 16000, "format": "pcm_s16le", "channels": 1, "attempt_id": "a-1"}


@pytest.fixture(scope="module")
def spoken():
    return speech_pcm(16000, seconds=1.0)


def start(socket, **changes):
    socket.until("status", state="connected")
    socket.send(START | changes)
    return socket.until("status", state="streaming")


def frames(pcm, source):
    for at in range(0, len(pcm), 6400):
        yield b"EP\x01" + bytes([source]) + pcm[at:at + 6400]


def test_a_session_from_connecting_to_its_summary(ready, spoken):
    with Messages(ready, PATH) as socket:
        streaming = start(socket, client_features={"client_vad_enabled": True})
        assert streaming["session_id"] == "s-1"
        assert streaming["attempt_id"] == "a-1"
        assert streaming["connection_id"]
        assert streaming["client_features"]["client_vad_enabled"] is True
        for frame in frames(spoken, 0):
            socket.send(frame)
        final = socket.until("asr_final")
        assert final["text"] == "the fake has spoken"
        assert final["stable"] is True
        assert final["source"] == "system"
        assert 0 <= final["t0"] < final["t1"] < 7
        assert len(final["segment_id"]) == len("seg_") + 16
        socket.send({"type": "stop", "session_id": "s-1"})
        summary = socket.until("final_summary")
        assert socket.close_code() == 1000
        assert summary["json"]["transcript"] == [final]
        assert "the fake has spoken" in summary["markdown"]
        assert {key: summary["json"][key] for key in ("actions", "decisions", "risks", "entities", "diarization")} == {
            "actions": [], "decisions": [], "risks": [], "entities": {}, "diarization": []}


def test_two_sources_are_two_streams(ready, spoken):
    with Messages(ready, PATH) as socket:
        start(socket)
        for system, mic in zip(frames(spoken, 0), frames(spoken, 1)):
            socket.send(system)
            socket.send({"type": "audio", "source": "mic", "data": base64.b64encode(mic[4:]).decode()})
        socket.send(b"EP\x01\x00")
        socket.send({"type": "audio", "source": "third", "data": ""})
        socket.send({"type": "audio", "source": "third", "data": ""})
        finals = [socket.until("asr_final"), socket.until("asr_final")]
        assert {final["source"] for final in finals} == {"system", "mic"}
        metrics = {}
        while len(metrics) < 2:
            metrics_of = socket.until("metrics")
            metrics[metrics_of["source"]] = metrics_of
        for each in metrics.values():
            assert each["sources_active"] == ["mic", "system"]
            assert each["provider"] == "fake"
            assert each["model_id"] == "default"
            assert each["dropped_total"] == 0
            assert each["queue_bytes"] <= each["queue_bytes_max"]
        assert len([message for message in socket.seen if message.get("state") == "warning"]) == 1, "of a third source, told once"
        socket.send({"type": "stop", "session_id": "s-1"})
        transcript = socket.until("final_summary")["json"]["transcript"]
        assert [each["t0"] for each in transcript] == sorted(each["t0"] for each in transcript)
        assert len(transcript) == 2


@pytest.mark.parametrize(("rate", "form"), [(8000, "pcm_s16le"), (48000, "pcm_s16le"), (44100, "pcm_f32le")])
def test_other_formats_are_resampled(ready, rate, form):
    pcm = speech_pcm(rate, seconds=1.0)
    if form == "pcm_f32le":
        samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
        pcm = struct.pack(f"<{len(samples)}f", *(sample / 32768 for sample in samples))
    with Messages(ready, PATH) as socket:
        start(socket, sample_rate=rate, format=form)
        socket.send(pcm)
        assert 4 < socket.until("asr_final")["t1"] < 6.5


@pytest.mark.parametrize("changes", [{"format": "mp3"}, {"sample_rate": 5}, {"channels": 99}])
def test_formats_that_cannot_be_are_errors(ready, changes):
    with Messages(ready, PATH) as socket:
        socket.until("status", state="connected")
        socket.send(START | changes)
        assert "Unsupported audio format" in socket.until("error")["message"]
        assert socket.close_code() == 1008


@pytest.mark.parametrize("message", ["{", '"text"', "{}", '{"type": "slide_query"}', '{"type": "voice_note_start", "session_id": "x"}',
                                     '{"type": "start"}', '{"type": "start", "session_id": ""}', '{"type": "start", "session_id": 5}',
                                     '{"type": "start", "session_id": "' + "x" * 300 + '"}'])
def test_bad_messages_are_errors_and_the_session_goes_on(ready, message):
    with Messages(ready, PATH) as socket:
        socket.send(message)
        assert socket.until("error")["message"]
        socket.send(START)
        socket.until("status", state="streaming")
        socket.send(START)
        assert "started already" in socket.until("error")["message"]
        socket.send({"type": "audio", "source": "mic", "data": "???"})
        assert "base64" in socket.until("error")["message"]
        socket.send({"type": "stop", "session_id": "s-1"})
        socket.until("final_summary")


def test_audio_before_the_start_and_after_the_stop_is_nothing(ready, spoken):
    with Messages(ready, PATH) as socket:
        socket.send(spoken)
        start(socket)
        socket.send({"type": "stop", "session_id": "s-1"})
        with contextlib.suppress(ConnectionClosed):  # it may have answered and closed meanwhile
            socket.send(spoken)
            socket.send({"type": "stop", "session_id": "s-1"})
        assert socket.until("final_summary")["json"]["transcript"] == []
        assert socket.close_code() == 1000


def test_a_second_of_noise_as_the_originals_simulation_sends_it(ready):
    noise = random.Random(3)
    with Messages(ready, PATH) as socket:
        start(socket)
        for _ in range(50):
            socket.send(noise.randbytes(640))
            time.sleep(0.02)
        socket.until("metrics")
        socket.send({"type": "stop", "session_id": "s-1"})
        assert socket.until("final_summary")["json"]["transcript"] == [], "noise is no text"
        assert socket.close_code() == 1000


def test_audio_far_faster_than_real_time_is_dropped_and_said(fake, spoken):
    with fake("text=slow&infer_ms=3000&slots=1") as server:
        server.wait_ready()
        with Messages(server, PATH) as socket:
            start(socket)
            for _ in range(25):
                socket.send(spoken)
            pressure = socket.until("status", state="backpressure")
            assert pressure["dropped_seconds"] > 0
            assert pressure["dropped_frames"] == round(pressure["dropped_seconds"] * 50)
            assert pressure["source"] == "system"
            while not socket.until("metrics")["dropped_total"]:
                pass


def test_at_the_limit_of_eight_seconds_a_summary_comes_without_the_rest(fake, spoken):
    with fake("text=slow&infer_ms=60000&slots=1") as server:
        server.wait_ready()
        with Messages(server, PATH) as socket:
            start(socket)
            socket.send(spoken)
            socket.send({"type": "stop", "session_id": "s-1"})
            socket.until("status", state="warning")
            assert socket.until("final_summary")["json"]["transcript"] == []


def test_tokens(fake):
    with fake("text=hello", "--set", "server.api_keys=[\"secret\"]") as server:
        server.wait_ready()
        with Messages(server, PATH + "?token=wrong") as socket:
            assert socket.close_code() == 1008
            assert socket.seen[0] | {"message": "Unauthorized websocket connection", "state": "error"} == socket.seen[0]
        for path, options in ((PATH + "?token=secret", {}), (PATH, {"additional_headers": {"X-EchoPanel-Token": "secret"}}),
                              (PATH, {"additional_headers": {"Authorization": "Bearer secret"}})):
            with Messages(server, path, **options) as socket:
                socket.until("status", state="connected")


def test_at_capacity(fake, spoken):
    with fake("text=hello", "--set", "server.max_streams=1") as server:
        server.wait_ready()
        with Messages(server, PATH) as one, Messages(server, PATH) as other:
            start(one)
            one.send(spoken)
            one.until("asr_final")
            other.until("status", state="connected")
            other.send(START)
            assert "at capacity" in other.until("status", state="error")["message"]
            assert other.close_code() == 1008


def test_a_model_that_loads_is_told_and_waited_for(fake, spoken):
    with fake("load_ms=1500&text=late") as server:
        with Messages(server, PATH) as socket:
            start(socket)
            socket.until("status", state="warning")
            socket.send(spoken)
            assert socket.until("asr_final")["text"] == "late"


def test_a_client_that_never_reads_is_let_go(fake, spoken):
    with fake("text=" + "word " * 2000, "--set", "models.*.max_waiting=1000") as server:
        server.wait_ready()
        with Messages(server, PATH, close_timeout=1) as socket:  # nor does it read the answer to its closing
            start(socket)
            for _ in range(20):
                socket.send(spoken)
        assert server.transcribe().status == 200
