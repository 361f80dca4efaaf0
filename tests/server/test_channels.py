"""Recordings whose channels are heard each by itself."""

import shutil
import socket
import subprocess
from urllib.parse import urlsplit

import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, PATIENCE, until

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="NO FFMPEG: apt install ffmpeg")


def made(path, layout):
    """The clip on several channels, each as `pan` says."""
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", str(CLIP), "-af", f"pan={layout}", str(path)], check=True)
    return path


@pytest.fixture
def call(tmp_path):
    return made(tmp_path / "call.wav", "stereo|c0=c0|c1=0.03*c0")


def hear(server, path, **fields):
    answer = server.transcribe(path, response_format="verbose_json", **fields)
    assert answer.status == 200, answer.text
    return answer.json()


def test_each_channel_is_heard_by_itself(ready, call):
    heard = hear(ready, call, channels="separate", **{"timestamp_granularities[]": "word,segment"})
    assert [segment["channel"] for segment in heard["segments"]] == [0, 1]
    assert [word["channel"] for word in heard["words"]] == [0, 1]
    assert heard["text"] == f"{FAKE_TEXT} {FAKE_TEXT}"
    assert 4 < heard["duration"] < 6 and heard["usage"]["seconds"] == 5, "of the recording, not of all channels together"
    assert ready.transcribe(call, channels="separate", response_format="srt").text.count(FAKE_TEXT) == 2


def test_without_a_word_channels_are_heard_as_one(ready, call):
    for fields in ({}, {"channels": "mix"}):
        heard = hear(ready, call, **fields)
        assert heard["text"] == FAKE_TEXT and "channel" not in heard["segments"][0]


def test_one_channel_is_number_0(ready):
    assert [segment["channel"] for segment in hear(ready, CLIP, channels="separate")["segments"]] == [0]


def test_a_channel_on_which_nobody_speaks_has_no_text(ready, tmp_path):
    heard = hear(ready, made(tmp_path / "half.wav", "stereo|c0=0*c0|c1=c0"), channels="separate")
    assert [segment["channel"] for segment in heard["segments"]] == [1] and heard["text"] == FAKE_TEXT


def test_more_channels_than_a_few_are_refused_and_mixed_where_that_is_asked(ready, error_of, tmp_path):
    many = made(tmp_path / "many.wav", "9C|" + "|".join(f"c{channel}=c0" for channel in range(9)))
    error = error_of(ready.transcribe(many, channels="separate"), 400, "invalid_request")
    assert error["param"] == "channels" and "9 channels" in error["message"] and "mix" in error["message"]
    assert hear(ready, many)["text"] == FAKE_TEXT


def test_what_is_no_choice_is_refused(ready, error_of, call):
    assert error_of(ready.transcribe(call, channels="left"), 400, "invalid_request")["param"] == "channels"
    assert error_of(ready.transcribe(call, channels="separate", stream="true"), 400, "invalid_request")["param"] == "channels"


def test_the_configuration_may_say_so_for_all(fake, call):
    with fake("text=yes", "--set", "server.channels=separate") as server:
        server.wait_ready()
        assert [segment["channel"] for segment in hear(server, call)["segments"]] == [0, 1]
        assert "channel" not in hear(server, call, channels="mix")["segments"][0]
        assert '"text":"yes"' in server.transcribe(call, stream="true").text.replace(" ", ""), "streamed text is of all channels at once"


def test_a_client_that_goes_away_between_two_channels_is_heard_no_further(fake, call):
    with fake("infer_ms=1500") as server:
        server.wait_ready()
        at = urlsplit(server.url)
        body = (b'--b\r\nContent-Disposition: form-data; name="channels"\r\n\r\nseparate\r\n'
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + call.read_bytes() + b"\r\n--b--\r\n")
        client = socket.create_connection((at.hostname, at.port), timeout=PATIENCE)
        client.sendall(b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: hotmic\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body)
        server.until("busy")
        client.close()
        for line in ("hotmic_requests_in_flight 0\n", 'hotmic_errors_total{code="cancelled"} 1\n'):
            until(lambda line=line: line in server.request("/metrics").text, f"the metrics say {line}")


def test_a_model_that_dies_at_the_second_channel_hears_only_that_again(fake, call):
    with fake("crash=infer&after=1", "--set", "models.default.retry.initial_backoff_ms=0") as server:
        server.wait_ready()
        heard = hear(server, call, channels="separate")
        assert [segment["channel"] for segment in heard["segments"]] == [0, 1]
