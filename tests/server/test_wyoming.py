"""The Wyoming protocol on its own port, with messages as Home Assistant's client writes them; the engine is the fake one."""

import json
import socket

import pytest

import hotmic_py
from hotmic_py import free_port, poisoned, speech_pcm

FORMAT = {"rate": 16000, "width": 2, "channels": 1}


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=hotmic_py.PATIENCE)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def send(self, kind, data=None, payload=b""):
        """As wyoming.event.write_event does it."""
        header = {"type": kind, "version": "1.7.2"}
        body = json.dumps(data, ensure_ascii=False).encode() if data else b""
        if body:
            header["data_length"] = len(body)
        if payload:
            header["payload_length"] = len(payload)
        self.socket.sendall(json.dumps(header).encode() + b"\n" + body + payload)

    def next(self):
        line = self.reader.readline()
        if not line:
            return None
        header = json.loads(line)
        data = header.get("data", {}) | json.loads(self.reader.read(header.get("data_length", 0)) or b"{}")
        self.reader.read(header.get("payload_length", 0))
        return header["type"], data

    def until(self, kind):
        seen = []
        while (event := self.next()) is not None:
            seen.append(event)
            if event[0] == kind:
                return event[1], seen
        raise AssertionError(f"the connection was closed after {seen}")

    def say(self, pcm, piece=2048, **form):
        self.send("audio-start", FORMAT | form)
        for at in range(0, len(pcm), piece):
            self.send("audio-chunk", FORMAT | form, pcm[at:at + piece])
        self.send("audio-stop", {})


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    port = free_port()
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=turn on the light", "--level", "0", "--set", f"server.wyoming_port={port}",
                          home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        server.wait_ready()
        yield port


def test_it_describes_itself(port):
    with Client(port) as client:
        client.send("describe")
        info, _ = client.until("info")
        [asr] = info["asr"]
        assert asr["name"] == "hotmic" and asr["installed"] and asr["supports_transcript_streaming"] and asr["version"]
        [model] = asr["models"]
        assert model["name"] == "default" and model["installed"] and model["languages"]
        assert set(model["attribution"]) == {"name", "url"}
        client.send("ping", {"text": "still there?"})
        assert client.until("pong")[0] == {"text": "still there?"}


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 1), (8000, 1)])
def test_speech_becomes_a_transcript(port, rate, channels):
    with Client(port) as client:
        for _ in range(2):  # one connection serves many
            client.send("transcribe", {"language": "en"})
            client.say(speech_pcm(rate), rate=rate, channels=channels)
            transcript, seen = client.until("transcript")
            assert transcript == {"text": "turn on the light", "language": "en"}
            assert seen[0] == ("transcript-start", {"language": "en"})
            assert "".join(data["text"] for kind, data in seen if kind == "transcript-chunk") == transcript["text"]
            assert client.next()[0] == "transcript-stop"


def test_silence_is_an_empty_transcript(port):
    with Client(port) as client:
        client.say(bytes(32000 * 3))
        assert client.until("transcript")[0]["text"] == ""


def test_several_utterances_are_one_transcript(port):
    with Client(port) as client:
        client.say(speech_pcm(16000, seconds=1) + speech_pcm(16000))
        transcript, seen = client.until("transcript")
        assert transcript["text"] == "turn on the light turn on the light"
        assert "".join(data["text"] for kind, data in seen if kind == "transcript-chunk") == transcript["text"]


def test_data_may_stand_in_the_line_itself(port):
    with Client(port) as client:
        client.socket.sendall(b'{"type": "ping", "data": {"text": "inline"}}\n')
        assert client.until("pong")[0] == {"text": "inline"}


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"\n", b'{"type": 5}\n', b'{"type": "x", "data_length": -1}\n',
                                     b'{"type": "x", "payload_length": 99999999999}\n', b'{"type": "x", "data_length": 3}\n???', b"x" * 200_000])
def test_rubbish_is_told_and_ends_its_connection_only(port, rubbish):
    with Client(port) as client:
        client.socket.sendall(rubbish)
        error, _ = client.until("error")
        assert error["text"] and error["code"] in ("invalid_request", "body_too_large")
        assert client.next() is None
    with Client(port) as client:
        client.send("ping")
        client.until("pong")


def test_wrong_wishes_are_errors_and_the_connection_goes_on(port):
    with Client(port) as client:
        client.send("transcribe", {"name": "nobody"})
        assert client.until("error")[0]["code"] == "model_not_found"
        assert client.until("transcript")[0]["text"] == "", "whoever waits gets an end"
        client.send("transcribe", {})
        for wrong in ({"width": 4}, {"rate": 1}):
            client.send("audio-start", FORMAT | wrong)
            assert client.until("error")[0]["code"] == "unsupported_parameter"
            assert client.until("transcript")[0]["text"] == ""
            client.until("transcript-stop")
        client.send("synthesize", {"text": "of another service"})
        client.send("audio-stop", {})
        client.say(speech_pcm(16000))
        assert client.until("transcript")[0]["text"] == "turn on the light"


def test_without_a_model_the_transcript_is_an_error_and_empty(tmp_path):
    port = free_port()
    with hotmic_py.Server("--provider", "fake", "--model", "fake:fail=load", "--set", "models.*.retry.max_attempts=1", "--set",
                          f"server.wyoming_port={port}", home=tmp_path, name="hotmic-faults") as server:
        server.wait_for("→ ERROR")
        with Client(port) as client:
            client.say(speech_pcm(16000))
            assert client.until("error")[0]["code"] == "model_failed"
            assert client.until("transcript")[0]["text"] == ""


def test_who_finds_no_room_gets_an_error_and_an_end(tmp_path):
    port = free_port()
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=hello", "--level", "0", "--set", "server.max_streams=1", "--set",
                          f"server.wyoming_port={port}", home=tmp_path, name="hotmic-faults") as server:
        server.wait_ready()
        with Client(port) as first, Client(port) as second:
            first.send("audio-start", FORMAT)
            first.send("ping")
            first.until("pong")
            second.say(speech_pcm(16000))
            assert second.until("error")[0]["code"] == "queue_full"
            assert second.until("transcript")[0]["text"] == ""
            first.send("audio-chunk", FORMAT, speech_pcm(16000))
            first.send("audio-stop")
            assert first.until("transcript")[0]["text"] == "hello"
            second.say(speech_pcm(16000))
            assert second.until("transcript")[0]["text"] == "hello", "there is room again"


def test_who_speaks_when_the_server_ends_gets_an_end(tmp_path):
    port = free_port()
    with hotmic_py.Server("--provider", "fake", "--model", "fake:hang=infer", "--level", "0", "--set", "server.shutdown_timeout_ms=3000", "--set",
                          f"server.wyoming_port={port}", home=tmp_path, name="hotmic-faults") as server:
        server.wait_ready()
        with Client(port) as client:
            client.say(speech_pcm(16000))
            server.until("busy")
            server.process.terminate()
            error, _ = client.until("error")
            assert error["code"] in ("shutting_down", "cancelled", "model_unloaded", "model_lost")
            assert client.until("transcript")[0]["text"] == ""
            while client.next() is not None:
                pass
        assert server.wait() == 0


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_an_utterance_that_models_die_under_is_given_up(tmp_path, how):
    port = free_port()
    with hotmic_py.Server("--provider", "fake", "--model", f"fake:poison={how}&text=hello", "--level", "1", "--set", "models.*.warmup.validate=runs",
                          "--set", "models.*.retry.initial_backoff_ms=5", "--set", "models.*.supervise.hang_least_ms=300", "--set",
                          f"server.wyoming_port={port}", home=tmp_path, name="hotmic-faults") as server:
        server.wait_ready()
        with Client(port) as client:
            client.say(poisoned(speech_pcm(16000)))
            assert client.until("error")[0]["code"] == "poison_request"
            assert client.until("transcript")[0]["text"] == ""
            client.say(speech_pcm(16000))
            assert client.until("transcript")[0]["text"] == "hello"
        assert "\n".join(server.lines).count("READY → ERROR") == 2
        assert server.request("/model-status").json()["health"]["state"] == "READY"


def test_words_of_megabytes_are_refused(port):
    with Client(port) as client:
        for field in ("language", "name"):
            client.send("transcribe", {field: "x" * 300_000})
            error, _ = client.until("error")
            assert error["code"] == "invalid_request" and field in error["text"] and len(error["text"]) < 300


def test_a_port_that_is_taken_is_a_clear_error(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = hotmic_py.run("serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set", f"server.wyoming_port={port}", home=tmp_path,
                              name="hotmic-faults")
    assert ended.code != 0 and "wyoming_port" in ended.err


def wyoming_server(home, *more, script="text=turn on the light"):
    """A server of its own, with its port of Wyoming as `wyoming`."""
    port = free_port()
    server = hotmic_py.Server("--provider", "fake", "--model", f"fake:{script}", "--level", "0", "--set", f"server.wyoming_port={port}", *more,
                              home=home, name="hotmic-faults")
    server.wyoming = port
    return server


def test_who_says_nothing_more_is_told_and_let_go(tmp_path):
    with wyoming_server(tmp_path, "--set", "server.idle_timeout_ms=300") as server:
        server.wait_ready()
        with Client(server.wyoming) as client:
            client.send("describe")
            client.until("info")
            assert client.until("error")[0]["code"] == "client_too_slow"
            assert client.next() is None
        with Client(server.wyoming) as client:  # in the middle of what it says
            client.send("audio-start", FORMAT)
            client.send("audio-chunk", FORMAT, speech_pcm(16000))
            error, _ = client.until("error")
            assert error["code"] == "client_too_slow"
            client.until("transcript")
            client.until("transcript-stop")
            assert client.next() is None


def test_who_waits_for_a_transcript_is_not_idle(tmp_path):
    with wyoming_server(tmp_path, "--set", "server.idle_timeout_ms=1000", script="infer_ms=3000&text=late") as server:
        server.wait_ready()
        with Client(server.wyoming) as client:
            client.say(speech_pcm(16000))
            assert client.until("transcript")[0]["text"] == "late"


def test_an_event_that_comes_too_slowly_ends_however_often_a_byte_comes(tmp_path):
    with wyoming_server(tmp_path, "--set", "server.body_timeout_ms=500") as server:
        server.wait_ready()
        with Client(server.wyoming) as client:
            client.socket.sendall(b'{"type": "audio-chunk", "payload_length": 100000}\n')
            client.socket.settimeout(0.05)
            told = b""
            while b"\n" not in told:
                try:
                    part = client.socket.recv(1 << 16)
                    assert part, "it was closed without a word"
                    told += part
                except TimeoutError:
                    client.socket.sendall(b"a")
            assert json.loads(told.split(b"\n")[0])["type"] == "error" and b"client_too_slow" in told


def test_a_server_that_ends_tells_what_was_said(tmp_path):
    with wyoming_server(tmp_path) as server:
        server.wait_ready()
        with Client(server.wyoming) as speaks, Client(server.wyoming) as listens:
            listens.send("describe")
            listens.until("info")
            speaks.send("audio-start", FORMAT)
            speaks.send("audio-chunk", FORMAT, speech_pcm(16000))
            speaks.send("ping", {"text": "taken"})
            speaks.until("pong")
            server.process.send_signal(15)
            assert speaks.until("transcript")[0]["text"] == "turn on the light"
            speaks.until("transcript-stop")
            assert speaks.next() is None and listens.next() is None
        assert server.wait() == 0


def test_a_chunk_of_megabytes_is_heard_like_any_other(port):
    with Client(port) as client:
        client.say(speech_pcm(16000) + bytes(3 << 20) + speech_pcm(16000), piece=4 << 20)
        assert client.until("transcript")[0]["text"] == "turn on the light turn on the light"
