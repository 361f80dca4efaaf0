"""OpenAI's Realtime transcription over a real socket; the engine is the fake one, the voice detector and everything else is real."""

import base64
import contextlib
import json
import struct
import threading
import time

import pytest

pytest.importorskip("websockets", reason="NO WEBSOCKETS: apt install python3-websockets")
from hotmic_py import Messages, poisoned, speech_pcm  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402
from raw_http import frame, open_websocket  # noqa: E402

PATH = "/v1/realtime?intent=transcription"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
SEGMENT = "conversation.item.input_audio_transcription.segment"
DELTA = "conversation.item.input_audio_transcription.delta"


@pytest.fixture(scope="module")
def spoken():
    return speech_pcm(24000, seconds=1.0)


def append(pcm, piece=48000):
    for start in range(0, len(pcm), piece):
        yield {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm[start:start + piece]).decode()}


def send_audio(socket, pcm):
    for event in append(pcm):
        socket.send(event)


def update(socket, **audio_input):
    socket.send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio_input}}})
    return socket.until("session.updated")["session"]["audio"]["input"]


def kinds(socket):
    return [message["type"] for message in socket.seen]


def test_a_turn_is_told_in_order(ready, spoken):
    with Messages(ready, PATH) as socket:
        created = socket.until("session.created")["session"]
        assert created["type"] == "transcription"
        assert created["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        assert created["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        send_audio(socket, spoken)
        completed = socket.until(COMPLETED)
        assert completed["transcript"] == "the fake has spoken"
        assert completed["usage"]["type"] == "duration"
        assert 4 < completed["usage"]["seconds"] < 6
        told = [kind for kind in kinds(socket) if kind != DELTA]
        assert told == ["session.created", "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done", SEGMENT, COMPLETED]
        items = {message.get("item_id", message.get("item", {}).get("id")) for message in socket.seen[1:]}
        assert items == {completed["item_id"]}
        assert "".join(message["delta"] for message in socket.seen if message["type"] == DELTA) == completed["transcript"]
        assert len({message["event_id"] for message in socket.seen}) == len(socket.seen)


def test_times_are_of_the_sessions_audio(ready, spoken):
    silence = bytes(2 * 24000 * 2)
    with Messages(ready, PATH) as socket:
        send_audio(socket, silence + spoken + spoken)
        first = socket.until("input_audio_buffer.speech_started")["audio_start_ms"]
        assert 1500 <= first <= 2300
        stopped = socket.until("input_audio_buffer.speech_stopped")["audio_end_ms"]
        assert first + 4000 < stopped < first + 6000
        before = socket.until("input_audio_buffer.committed")
        assert before["previous_item_id"] is None
        assert socket.until("input_audio_buffer.speech_started")["audio_start_ms"] > stopped
        assert socket.until("input_audio_buffer.committed")["previous_item_id"] == before["item_id"]
        segment = ([message for message in socket.seen if message["type"] == SEGMENT] or [socket.until(SEGMENT)])[0]
        assert segment["text"] == "the fake has spoken" and segment["item_id"] == before["item_id"]
        assert first <= 1000 * segment["start"] < 1000 * segment["end"] <= stopped + 100


def test_a_language_that_cannot_be_is_told_when_it_is_set(ready):
    with Messages(ready, PATH) as socket:
        socket.send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": {"transcription": {
            "language": "klingon"}}}}})
        refused = socket.until("error")["error"]
        assert refused["code"] == "unsupported_language" and refused["param"] == "session.language"


def test_languages_to_choose_among(ready):
    def set_to(socket, **transcription):
        socket.send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": {"transcription": transcription}}}})

    with Messages(ready, PATH) as socket:
        set_to(socket, languages=["en-GB", "en"])
        assert socket.until("session.updated")["session"]["audio"]["input"]["transcription"]["languages"] == ["en", "en"]
        for languages, param in ((["en", "klingon"], "session.languages"), ("en", "session.audio.input.transcription.languages"),
                                 ([""], "session.audio.input.transcription.languages")):
            set_to(socket, languages=languages)
            assert socket.until("error")["error"]["param"] == param
        set_to(socket, language="de")
        assert "languages does not hold" in socket.until("error")["error"]["message"]
        set_to(socket, languages=None)
        assert socket.until("session.updated")["session"]["audio"]["input"]["transcription"]["languages"] is None


def test_without_turn_detection_the_client_commits(ready):
    with Messages(ready, PATH) as socket:
        assert update(socket, turn_detection=None)["turn_detection"] is None
        socket.send({"type": "input_audio_buffer.commit", "event_id": "mine"})
        refused = socket.until("error")["error"]
        assert refused["event_id"] == "mine"
        assert refused["code"] == "input_audio_buffer_commit_empty", "clients compare this name"
        assert "too small" in refused["message"]
        send_audio(socket, bytes(2 * 24000))
        socket.send({"type": "input_audio_buffer.clear"})
        socket.until("input_audio_buffer.cleared")
        send_audio(socket, bytes(24000))
        socket.send({"type": "input_audio_buffer.commit"})
        completed = socket.until(COMPLETED)
        assert completed["transcript"] == "the fake has spoken"
        assert abs(completed["usage"]["seconds"] - 0.5) < 0.05
        assert "input_audio_buffer.speech_started" not in kinds(socket)


@pytest.mark.parametrize(("name", "codec", "rate"), [({"type": "audio/pcmu"}, "pcm_mulaw", 8000), ({"type": "audio/pcma"}, "pcm_alaw", 8000),
                                                     ({"type": "audio/pcm", "rate": 16000}, "pcm_s16le", 16000),
                                                     ({"type": "audio/pcm", "rate": 48000}, "pcm_s16le", 48000)])
def test_formats(ready, name, codec, rate):
    import subprocess

    from hotmic_py import CLIP

    form = {"pcm_mulaw": "mulaw", "pcm_alaw": "alaw", "pcm_s16le": "s16le"}[codec]
    audio = subprocess.run(["ffmpeg", "-v", "error", "-i", CLIP, "-af", "apad=pad_dur=1", "-ar", str(rate), "-ac", "1", "-c:a", codec, "-f", form, "-"],
                           capture_output=True, check=True).stdout
    with Messages(ready, PATH) as socket:
        assert update(socket, format=name)["format"] == {"rate": rate} | {"type": name["type"]}
        send_audio(socket, audio)
        assert 4 < socket.until(COMPLETED)["usage"]["seconds"] < 6


def test_the_beta_shape(ready, spoken):
    with Messages(ready, PATH) as socket:
        socket.send({"type": "transcription_session.update",
                     "session": {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                                 "turn_detection": {"type": "server_vad", "silence_duration_ms": 400}}})
        session = socket.until("transcription_session.updated")["session"]
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 400
        assert session["audio"]["input"]["transcription"]["language"] == "en"
        send_audio(socket, spoken)
        socket.until("conversation.item.created")
        socket.until(COMPLETED)


def test_a_change_of_options_begins_a_new_stream_on_the_same_clock(ready, spoken):
    with Messages(ready, PATH) as socket:
        send_audio(socket, spoken)
        update(socket, turn_detection={"type": "server_vad", "silence_duration_ms": 300})
        send_audio(socket, spoken)
        starts = [socket.until("input_audio_buffer.speech_started")["audio_start_ms"] for _ in range(2 - kinds(socket).count("input_audio_buffer.speech_started"))]
        assert starts[-1] > 5000
        while kinds(socket).count(COMPLETED) < 2:
            socket.next()


def test_logprobs(ready, spoken):
    with Messages(ready, PATH) as socket:
        socket.send({"type": "session.update", "session": {"type": "transcription", "include": ["item.input_audio_transcription.logprobs"]}})
        assert socket.until("session.updated")["session"]["include"] == ["item.input_audio_transcription.logprobs"]
        send_audio(socket, spoken)
        completed = socket.until(COMPLETED)
        logprobs = completed["logprobs"]
        assert "".join(each["token"] for each in logprobs) == completed["transcript"] == "the fake has spoken"
        assert b"".join(bytes(each["bytes"]) for each in logprobs).decode() == completed["transcript"]
        assert all(each["logprob"] <= 0 for each in logprobs)


@pytest.mark.parametrize(("message", "param"), [
    ("{", None), ("[]", None), ("{}", None), ('{"type": 5}', None), ('{"type": "response.create"}', "type"),
    ('{"type": "conversation.item.create", "item": {}}', "type"),
    ('{"type": "input_audio_buffer.append"}', "audio"), ('{"type": "input_audio_buffer.append", "audio": "???"}', "audio"),
    ('{"type": "session.update"}', "session"), ('{"type": "session.update", "session": 3}', "session"),
    ('{"type": "session.update", "session": {"type": "realtime"}}', "session.type"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/mp3"}}}}}', "session.audio.input.format.type"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}}}', "session.audio.input.format.rate"),
    ('{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "magic"}}}}}', "session.audio.input.turn_detection.type"),
    ('{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}}}}',
     "session.audio.input.turn_detection.threshold"),
    ('{"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "nobody"}}}}}', "model"),
    ('{"type": "session.update", "session": {"include": ["everything"]}}', "session.include"),
])
def test_bad_messages_are_errors_and_the_session_goes_on(ready, message, param):
    with Messages(ready, PATH) as socket:
        socket.send(message)
        error = socket.until("error")["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"]
        assert error["param"] == param
        assert update(socket, turn_detection=None)["turn_detection"] is None


def test_a_binary_message_and_odd_byte_counts(ready, spoken):
    with Messages(ready, PATH) as socket:
        socket.send(b"\x00\x01")
        assert "binary" in socket.until("error")["error"]["message"]
        for event in append(spoken, piece=4801):
            socket.send(event)
        assert socket.until(COMPLETED)["transcript"] == "the fake has spoken"
        assert "error" not in kinds(socket)[2:]


def test_silence_and_noise_have_no_text(ready):
    import random

    noise = random.Random(7)
    hiss = struct.pack("<48000h", *(noise.randint(-300, 300) for _ in range(48000)))
    with Messages(ready, PATH) as socket:
        send_audio(socket, bytes(2 * 24000 * 20) + hiss)
        update(socket, turn_detection=None)
        assert kinds(socket) == ["session.created", "session.updated"]


def test_a_message_beyond_every_limit_ends_its_connection_only(ready):
    with Messages(ready, PATH) as socket:
        socket.until("session.created")
        with contextlib.suppress(ConnectionClosed):  # the server may close before all of it is sent
            socket.send("x" * (30 << 20))
        assert socket.close_code() == 1009
    assert ready.transcribe().status == 200


def test_keys(fake):
    with fake("text=hello", "--set", "server.api_keys=[\"secret\"]") as server:
        server.wait_ready()
        for options in ({}, {"additional_headers": {"Authorization": "Bearer wrong"}}):
            with Messages(server, PATH, **options) as socket:
                assert socket.close_code() == 1008
                assert socket.seen[0]["error"]["code"] == "unauthorized"
        for path, options in ((PATH, {"additional_headers": {"Authorization": "Bearer secret"}}), (PATH + "&api_key=secret", {}),
                              (PATH, {"subprotocols": ["realtime", "openai-insecure-api-key.secret"]})):
            with Messages(server, path, **options) as socket:
                socket.until("session.created")


def test_a_stream_waits_for_its_model_and_is_told_when_there_is_none(fake, spoken):
    with fake("load_ms=1000&text=late") as server:
        with Messages(server, PATH) as socket:
            send_audio(socket, spoken)
            assert socket.until(COMPLETED)["transcript"] == "late"
    with fake("fail=load", "--set", "models.*.retry.max_attempts=1") as server:
        server.wait_for("→ ERROR")
        with Messages(server, PATH) as socket:
            socket.send(next(append(spoken)))  # no more: the connection is closed after the error
            assert socket.until("error")["error"]["code"] == "model_failed"
            assert socket.close_code() == 1011


def test_a_worker_that_is_killed_is_noticed_by_the_wait_only(fake, spoken):
    import os
    import signal

    with fake("text=hello&infer_ms=300", "--set", "models.*.retry.initial_backoff_ms=5") as server:
        server.wait_ready()
        with Messages(server, PATH) as socket:
            send_audio(socket, spoken)
            socket.until("input_audio_buffer.committed")
            os.kill(server.workers()[0], signal.SIGKILL)
            assert socket.until(COMPLETED)["transcript"] == "hello"


def test_an_utterance_that_models_die_under_is_given_up_and_the_session_goes_on(fake, spoken):
    with fake("poison=crash&text=hello", "--set", "models.*.retry.initial_backoff_ms=5") as server:
        server.wait_ready()
        with Messages(server, PATH) as socket:
            send_audio(socket, poisoned(spoken[:len(spoken) // 2]) + spoken[len(spoken) // 2:])
            assert socket.until(FAILED)["error"]["code"] == "poison_request"
            send_audio(socket, spoken)
            assert socket.until(COMPLETED)["transcript"] == "hello"
        assert "\n".join(server.lines).count("READY → ERROR") == 2


def test_at_shutdown_what_was_said_is_still_told(fake, spoken):
    with fake("text=hello&infer_ms=100") as server:
        server.wait_ready()
        with Messages(server, PATH) as socket:
            send_audio(socket, spoken)
            socket.until("input_audio_buffer.committed")
            stopping = threading.Thread(target=server.stop)
            began = time.monotonic()
            stopping.start()
            assert socket.close_code() == 1001
            assert COMPLETED in kinds(socket)
            stopping.join()
            assert time.monotonic() - began < 25, "streams do not hold a server up until its patience ends"


@pytest.mark.parametrize("limit, why", [("max_streams", "1 streams are open"), ("max_streams_per_client", "127.0.0.1 has 1 streams")])
def test_more_streams_than_allowed(fake, spoken, limit, why):
    with fake("text=hello", "--set", f"server.{limit}=1") as server:
        server.wait_ready()
        with Messages(server, PATH) as one, Messages(server, PATH) as other:
            send_audio(one, spoken)
            one.until("input_audio_buffer.speech_started")
            send_audio(other, spoken[:48000])
            error = other.until("error")["error"]
            assert error["code"] == "queue_full" and why in error["message"]
        with Messages(server, PATH) as third:
            deadline = time.monotonic() + 30
            while True:  # until the server has seen the others go
                send_audio(third, spoken[:48000])
                send_audio(third, spoken)
                if third.until(COMPLETED) and time.monotonic() < deadline:
                    break


def test_every_event_is_what_the_official_client_expects(ready, spoken):
    pytest.importorskip("openai", reason="NO OPENAI CLIENT: apt install python3-openai")
    from openai.types.realtime import RealtimeServerEvent
    from pydantic import TypeAdapter

    adapter = TypeAdapter(RealtimeServerEvent)
    with Messages(ready, PATH) as socket:
        update(socket, turn_detection={"type": "server_vad"})
        socket.send("{")
        send_audio(socket, spoken)
        socket.until(COMPLETED)
        for message in socket.seen:
            event = adapter.validate_python(message)
            assert event.type == message["type"], json.dumps(message)


def test_streams_show_in_health_and_metrics(ready, spoken):
    with Messages(ready, PATH) as socket:
        send_audio(socket, spoken)
        socket.until(COMPLETED)
        live = ready.request("/health").json()["live"]
        assert live["streams"] >= 1 and live["max_streams"] == 64 and live["level"] == "normal"
        metrics = ready.request("/metrics").text
        assert 'hotmic_live_level{level="normal"} 1' in metrics
        assert 'hotmic_live_level_threshold_seconds{level="normal"} 0' in metrics
        assert 'hotmic_live_level_threshold_seconds{level="late_finals"} 3' in metrics
        assert "hotmic_live_streams" in metrics and "hotmic_live_dropped_seconds 0" in metrics


@pytest.mark.parametrize(("path", "before", "last", "answer"), [
    (PATH, [], {"type": "input_audio_buffer.clear"}, b"input_audio_buffer.cleared"),
    ("/ws/live-listener", [{"type": "start", "session_id": "s", "sample_rate": 24000, "format": "pcm_s16le", "channels": 1}], {"type": "nonsense"}, b"nonsense"),
])
def test_huge_messages_hold_nobody_else_up(fake, spoken, path, before, last, answer):
    """All connections are on one loop. While somebody's messages of 15 MiB of audio are looked at, probes are answered and others are heard."""
    audio = base64.b64encode(spoken * (15 * (1 << 20) // len(spoken))).decode()
    huge = {"type": "input_audio_buffer.append", "audio": audio} if path == PATH else {"type": "audio", "source": "mic", "data": audio}
    # Sent by their bytes, at once: a client's own work must not leave the server time for others.
    sent = b"".join(frame(1, json.dumps(message).encode()) for message in [*before, *5 * [huge], last])
    with fake("text=heard", "--set", "server.io_threads=1") as server:
        server.wait_ready()
        connection, _ = open_websocket(server, path)
        with connection, Messages(server, PATH) as other:
            done = threading.Event()

            def be_loud():
                connection.sendall(sent)
                told = b""
                while answer not in told:  # answers come in order
                    part = connection.recv(1 << 20)
                    assert part, told[-1000:]
                    told += part
                done.set()

            thread = threading.Thread(target=be_loud)
            thread.start()
            send_audio(other, spoken)
            answered = 0
            while not done.is_set() and thread.is_alive():
                assert server.request("/livez").status == 200
                answered += 1
            thread.join()
            assert done.is_set()
            assert other.until(COMPLETED)["transcript"] == "heard"
            print("probes answered meanwhile:", answered)
            assert answered > 50
