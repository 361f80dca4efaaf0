"""Clients we did not write, live, against the real engine: the official OpenAI client, and ffmpeg piping PCM."""

import base64
import subprocess
import time

import pytest

pytest.importorskip("websockets", reason="NO WEBSOCKETS: apt install python3-websockets")
from hotmic_py import CLIP, Messages, speech_pcm  # noqa: E402

HEARD = ("weather is fine today", "ready to begin the meeting")


def in_real_time(pcm, bytes_per_second, piece=0.1):
    began = time.monotonic()
    size = int(bytes_per_second * piece)
    for count, at in enumerate(range(0, len(pcm), size)):
        yield pcm[at:at + size]
        time.sleep(max(0, began + (count + 1) * piece - time.monotonic()))


def test_the_openai_clients_realtime_session(server):
    openai = pytest.importorskip("openai", reason="NO OPENAI CLIENT: apt install python3-openai")
    client = openai.OpenAI(base_url=server.url + "/v1", websocket_base_url=server.url.replace("http", "ws", 1) + "/v1", api_key="none")
    with client.realtime.connect(model="gpt-realtime", extra_query={"intent": "transcription"}) as connection:
        connection.session.update(session={"type": "transcription", "audio": {"input": {
            "format": {"type": "audio/pcm", "rate": 24000}, "transcription": {"model": "whisper-1", "language": "en"},
            "turn_detection": {"type": "server_vad"}}}})
        deltas, kinds = "", []
        for piece in in_real_time(speech_pcm(24000), 48000):
            connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        connection.input_audio_buffer.append(audio=base64.b64encode(bytes(48000)).decode())
        for event in connection:
            kinds.append(event.type.rsplit(".", 1)[-1])
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta
            if event.type == "conversation.item.input_audio_transcription.completed":
                break
        assert event.transcript == deltas
        assert kinds.index("delta") < kinds.index("speech_stopped"), "text comes while it is spoken"
        assert all(part in event.transcript for part in HEARD), event.transcript


def test_text_appears_while_it_is_spoken(server):
    with Messages(server, "/ws/live-listener") as socket:
        socket.send({"type": "start", "session_id": "live"})
        ffmpeg = subprocess.Popen(["ffmpeg", "-v", "error", "-re", "-i", CLIP, "-af", "apad=pad_dur=1", "-ar", "16000", "-ac", "1", "-f", "s16le", "-"],
                                  stdout=subprocess.PIPE)
        while piece := ffmpeg.stdout.read(3200):
            socket.send(piece)
        ffmpeg.wait()
        final = socket.until("asr_final")
        partials = [message for message in socket.seen if message["type"] == "asr_partial"]
        assert len(partials) >= 3, "a text that grows"
        assert partials[0]["text"] != final["text"]
        assert all(part in final["text"] for part in HEARD), final["text"]
        assert 0.05 < final["confidence"] <= 1


def test_silence_for_minutes_has_no_text(server):
    with Messages(server, "/ws/live-listener") as socket:
        socket.send({"type": "start", "session_id": "silent"})
        for _ in range(300):
            socket.send(bytes(32000))
        socket.send({"type": "stop", "session_id": "silent"})
        assert socket.until("final_summary")["json"]["transcript"] == []


def test_noise_has_no_text(server):
    import random

    noise = random.Random(1)
    with Messages(server, "/ws/live-listener") as socket:
        socket.send({"type": "start", "session_id": "noisy"})
        for _ in range(50):
            socket.send(noise.randbytes(640))
        socket.send({"type": "stop", "session_id": "noisy"})
        assert socket.until("final_summary")["json"]["transcript"] == []
