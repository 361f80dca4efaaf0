"""Inputs that nobody wrote: valid conversations, damaged at random, on every door that takes more than a line of HTTP. Whatever comes, the
server answers in its protocol's shape or closes, and goes on; under the sanitizers it also touches no memory that it should not.

HOTMIC_FUZZ_ROUNDS says how many conversations for each door, HOTMIC_FUZZ_SEED which."""

import base64
import json
import os
import random
import socket
import struct

import pytest

pytest.importorskip("websockets", reason="NO WEBSOCKETS: apt install python3-websockets")
import websockets.protocol  # noqa: E402
import websockets.sync.client  # noqa: E402
from hotmic_py import CLIP, PATIENCE, SANITIZED, Server, free_port, speech_pcm, until  # noqa: E402

ROUNDS = int(os.environ.get("HOTMIC_FUZZ_ROUNDS", 40))
SEED = int(os.environ.get("HOTMIC_FUZZ_SEED", 1))
MOST_GROWTH = 150 << 20
TOKENS = [b"\0", b"\xff\xfe", b'"', b"{", b"]", b"[[[[[[[[", b"\\u0000", b"\\ud800", b"-1", b"1e999", b"99999999999999999999", b"null", b"true", b"\r\n",
          b"\r\n\r\n", b"--", b"NaN", "ü\u202e😀".encode(), b"A" * 5000, b"%00", b"0x7fffffff", b"{}" * 50]
SPEECH = speech_pcm(16000)[:64000]


def damaged(rng, data, most=4):
    """`data` with up to so many wounds."""
    data = bytearray(data)
    for _ in range(rng.randint(0, most)):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.randint(1, 12))
        match rng.randrange(6):
            case 0:
                data[at:at] = rng.choice(TOKENS)
            case 1:
                del data[at:to]
            case 2:
                data[at:to] = rng.randbytes(to - at)
            case 3:
                data[at:at] = data[at:to] * rng.randint(1, 20)
            case 4:
                data[at:to] = rng.choice(TOKENS)
            case 5:
                del data[at:]
    return bytes(data)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    wyoming = free_port()
    with Server("--provider", "fake", "--model", "fake:slots=2&text=fake", "--level", "0", "--set", f"server.wyoming_port={wyoming}",
                "--set", f"jobs.dir={tmp_path_factory.mktemp('jobs')}", home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        server.wyoming = wyoming
        yield server.wait_ready()


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


@pytest.fixture(autouse=True)
def goes_on(server):
    """Before and after: it lives, it is READY, its worker is the same, and its memory has not grown."""
    server.transcribe()
    worker, before = server.workers(), resident(server)
    yield
    assert server.process.poll() is None
    assert server.transcribe().status == 200
    assert server.request("/readyz").status == 200
    assert server.workers() == worker
    if not SANITIZED:
        assert resident(server) - before < MOST_GROWTH


def rounds(door):
    return [random.Random(f"{SEED} {door} {count}") for count in range(ROUNDS)]


def converse(server, path, messages, known):
    """Sends all of them; whatever is answered is a JSON object of a known type."""
    url = server.url.replace("http", "ws", 1) + path
    with websockets.sync.client.connect(url, open_timeout=PATIENCE, close_timeout=1, max_size=None) as client:
        try:
            for message in messages:
                client.send(message)
            pong = client.ping()  # answered in order: everything before it has been taken
            while not pong.wait(0.02) and client.state is websockets.protocol.State.OPEN:
                pass
            while True:
                told = json.loads(client.recv(timeout=0.01))
                assert known(told), told
        except (websockets.exceptions.ConnectionClosed, TimeoutError):
            pass


def text_of(data):
    return data.decode(errors="replace")


REALTIME = [json.dumps(event).encode() for event in (
    {"type": "session.update", "event_id": "e1", "session": {"type": "transcription", "audio": {"input": {
        "format": {"type": "audio/pcm", "rate": 24000}, "transcription": {"model": "default", "language": "en", "prompt": "a"},
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}}},
        "include": ["item.input_audio_transcription.logprobs"]}},
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(SPEECH).decode()},
    {"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.clear"},
    {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16", "turn_detection": None}},
    {"type": "response.create"})]


def test_realtime(server):
    for rng in rounds("realtime"):
        messages = [damaged(rng, rng.choice(REALTIME)) for _ in range(12)]
        converse(server, "/v1/realtime?intent=transcription", [message if rng.random() < 0.1 else text_of(message) for message in messages],
                 lambda told: isinstance(told["type"], str) and (told["type"] != "error" or {"type", "code", "message"} <= set(told["error"])))


LIVE = [json.dumps(event).encode() for event in (
    {"type": "start", "session_id": "s", "sample_rate": 16000, "format": "pcm_s16le", "channels": 1, "sources": ["mic", "system"]},
    {"type": "audio", "source": "mic", "data": base64.b64encode(SPEECH).decode()},
    {"type": "stop", "session_id": "s"}, {"type": "start"}, {"type": "ping"})]


def test_live_listener(server):
    for rng in rounds("live"):
        messages = [text_of(damaged(rng, LIVE[0], 1))]
        for _ in range(12):
            messages.append(damaged(rng, SPEECH[:6400]) if rng.random() < 0.4 else text_of(damaged(rng, rng.choice(LIVE))))
        converse(server, "/ws/live-listener", messages, lambda told: isinstance(told["type"], str))


def drain(connection):
    """Everything until the other side closes, or says nothing for a moment."""
    connection.settimeout(0.05)
    taken = b""
    try:
        while part := connection.recv(1 << 16):
            taken += part
    except (TimeoutError, ConnectionError):
        pass
    return taken


def frame(opcode, payload, rng):
    mask = rng.randbytes(4)
    length = struct.pack("!B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 0xFE, len(payload))
    return bytes([0x80 | opcode]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@pytest.mark.parametrize("path", ["/v1/realtime?intent=transcription", "/ws/live-listener"])
def test_websocket_frames(server, path):
    host, port = server.url.removeprefix("http://").split(":")
    head = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    for rng in rounds("frames" + path):
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            sound = rng.random() < 0.8
            connection.sendall(head if sound else damaged(rng, head))
            if sound:
                assert connection.recv(12).startswith(b"HTTP/1.1 101")
            frames = b"".join(frame(rng.choice([0, 1, 1, 2, 8, 9, 10, 3, 15]), damaged(rng, rng.choice(REALTIME + LIVE))[:60000], rng) for _ in range(6))
            try:
                connection.sendall(damaged(rng, frames))
            except ConnectionError:
                pass
            drain(connection)


def wyoming_event(kind, data=None, payload=b""):
    body = json.dumps(data).encode() if data else b""
    header = {"type": kind, "version": "1.7.2"} | ({"data_length": len(body)} if body else {}) | ({"payload_length": len(payload)} if payload else {})
    return json.dumps(header).encode() + b"\n" + body + payload


WYOMING = [wyoming_event("describe"), wyoming_event("transcribe", {"name": "default", "language": "en"}),
           wyoming_event("audio-start", {"rate": 16000, "width": 2, "channels": 1}),
           wyoming_event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, SPEECH[:3200]), wyoming_event("audio-stop"), wyoming_event("ping")]


def test_wyoming(server):
    for rng in rounds("wyoming"):
        with socket.create_connection(("127.0.0.1", server.wyoming), timeout=PATIENCE) as connection:
            try:
                connection.sendall(damaged(rng, b"".join(rng.choices(WYOMING, k=8)), 6))
            except ConnectionError:
                pass
            drain(connection)


BOUNDARY = b"----hotmic"


def part(name, value, more=b""):
    return b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + value + b"\r\n"


FORM = (part(b"model", b"default") + part(b"language", b"en") + part(b"response_format", b"verbose_json") + part(b"temperature", b"0.2") +
        part(b"timestamp_granularities[]", b"word") + part(b"stream", b"false") +
        part(b"file", CLIP.read_bytes(), b'; filename="clip.flac"\r\nContent-Type: audio/flac') + b"--" + BOUNDARY + b"--\r\n")


def test_multipart_forms(server):
    small = FORM.replace(CLIP.read_bytes(), b"RIFF")
    for rng in rounds("multipart"):
        # Most wounds in the form itself, some in the recording.
        body = damaged(rng, small) if rng.random() < 0.7 else damaged(rng, FORM, 8)
        kind = b"multipart/form-data; boundary=" + BOUNDARY
        if rng.random() < 0.1:
            kind = bytes(byte for byte in damaged(rng, kind) if 32 <= byte < 127)  # the client sends nothing else in a header
        answer = server.request("/v1/audio/transcriptions", "POST", body, {"Content-Type": kind.decode()})
        assert answer.status in (200, 400, 404, 413, 415, 422), (answer.status, answer.text)
        if answer.status != 200:
            assert answer.json()["error"]["message"]


def test_forms_of_jobs(server):
    form = part(b"task", b"transcribe") + part(b"webhook", b"") + part(b"url", b"") + FORM.replace(part(b"stream", b"false"), b"")
    small = form.replace(CLIP.read_bytes(), b"RIFF")
    for rng in rounds("jobs"):
        body = damaged(rng, small) if rng.random() < 0.7 else damaged(rng, form, 8)
        key = {"Idempotency-Key": rng.choice(["", "a", "b", "c" * 255])} if rng.random() < 0.5 else {}
        answer = server.request("/v1/jobs", "POST", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"} | key)
        assert answer.status in (200, 202, 400, 404, 413, 422, 429), (answer.status, answer.text)
        if answer.status < 300:
            assert server.request(f"/v1/jobs/{answer.json()['id']}").status == 200
        else:
            assert answer.json()["error"]["message"]
    left = lambda: [job for job in server.request("/v1/jobs?limit=100").json()["data"] if job["status"] in ("queued", "running")]  # noqa: E731
    until(lambda: not left(), "all jobs have ended")


def test_json_bodies(server):
    bodies = [("/v2/models/default/infer", json.dumps({"id": "1", "inputs": [
        {"name": "audio", "shape": [1, 4], "datatype": "FP32", "data": [0.1, 0.2, 0.3, 0.4]}], "parameters": {"language": "en"}}).encode()),
              ("/v2/repository/index", b'{"ready": true}')]
    for rng in rounds("json"):
        path, body = rng.choice(bodies)
        answer = server.request(path, "POST", damaged(rng, body), {"Content-Type": "application/json"})
        assert answer.status in (200, 400, 404, 413, 422), (answer.status, answer.text)
