"""The Wyoming protocol on its own port, with messages as Home Assistant's client writes them; the engine is the fake one."""

import json
import socket

import pytest

import hotmic_py
from hotmic_py import free_port, speech_pcm

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
        client.send("transcribe", {})
        client.send("audio-start", FORMAT | {"width": 4})
        assert client.until("error")[0]["code"] == "unsupported_parameter"
        client.send("audio-start", FORMAT | {"rate": 1})
        assert client.until("error")[0]["code"] == "unsupported_parameter"
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


def test_a_port_that_is_taken_is_a_clear_error(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = hotmic_py.run("serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set", f"server.wyoming_port={port}", home=tmp_path,
                              name="hotmic-faults")
    assert ended.code != 0 and "wyoming_port" in ended.err
