"""stream=true: the text of a file while it is recognized. The fake engine answers each window of up to a minute with its text."""

import http.client
import json
import os
import signal

import pytest

import hotmic_py


@pytest.fixture(scope="module")
def minutes():
    return hotmic_py.minutes_of_speech()


class Stream:
    """The events of a request with stream=true, as they come."""

    def __init__(self, server, audio, **fields):
        self.connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=hotmic_py.PATIENCE)
        parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                        for name, value in ({"model": "default", "stream": "true"} | fields).items())
        body = parts.encode() + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + audio + b"\r\n--b--\r\n"
        self.connection.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data; boundary=b"})
        self.response = self.connection.getresponse()

    def __iter__(self):
        while line := self.response.readline():
            if line.startswith(b"data: "):
                data = line.removeprefix(b"data: ").decode().strip()
                yield data if data == "[DONE]" else json.loads(data)


def test_text_comes_while_the_file_is_recognized(fake, minutes):
    with fake("text=some words&infer_ms=200") as server:
        server.wait_ready()
        stream = Stream(server, minutes)
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        assert stream.response.headers["x-hotmic-model"] == "default"
        events = iter(stream)
        first = next(events)
        assert first == {"type": "transcript.text.delta", "delta": "some words"}
        assert "recognized request" not in server.log(), "the rest of the file is still being recognized"
        rest = list(events)
        assert rest[-1] == "[DONE]"
        done = rest[-2]
        said = " ".join(["some words"] * (len(rest) - 1))
        assert len(rest) > 5, "no window is longer than half a minute"
        assert done == {"type": "transcript.text.done", "text": said, "usage": {"type": "duration", "seconds": 150}}
        assert first["delta"] + "".join(event["delta"] for event in rest[:-2]) == done["text"]


def test_logprobs_of_what_is_streamed(fake, minutes):
    with fake("text=word") as server:
        server.wait_ready()
        events = list(Stream(server, minutes, **{"include[]": "logprobs"}))
        count = len(events) - 2
        assert [event["logprobs"][0]["token"] for event in events[:-2]] == ["word"] + [" word"] * (count - 1)
        assert "".join(each["token"] for each in events[-2]["logprobs"]) == events[-2]["text"]
        assert len(events[-2]["logprobs"]) == count


def test_what_fails_before_there_is_text_is_an_ordinary_error(fake):
    with fake("fail=infer") as server:
        server.wait_ready()
        stream = Stream(server, hotmic_py.CLIP.read_bytes())
        assert stream.response.status == 500
        assert json.loads(stream.response.read())["error"]["code"] == "inference_failed"
        stream = Stream(server, b"no audio at all")
        assert stream.response.status == 400


def test_what_fails_later_is_an_event(fake, minutes):
    with fake("text=begun&fail=infer&after=1") as server:
        server.wait_ready()
        events = list(Stream(server, minutes))
        assert events[0]["delta"] == "begun"
        assert events[1]["error"]["code"] == "inference_failed"
        assert events[2:] == ["[DONE]"]


def test_silence_is_an_empty_text(fake, minutes):
    with fake("text= ") as server:
        server.wait_ready()
        events = list(Stream(server, minutes))
        assert [event if isinstance(event, str) else event["text"] for event in events] == ["", "[DONE]"]


def test_a_model_that_dies_before_there_is_text_is_replaced_unnoticed(fake, minutes):
    with fake("text=hello&infer_ms=500", "--set", "models.*.retry.initial_backoff_ms=5") as server:
        server.wait_ready()
        worker = server.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        import threading

        threading.Timer(0.3, os.kill, (worker, signal.SIGKILL)).start()
        stream = Stream(server, minutes)
        assert stream.response.status == 200
        assert set(list(stream)[-2]["text"].split()) == {"hello"}


def test_a_client_that_goes_away_ends_the_work(fake, minutes):
    with fake("text=hello&infer_ms=300") as server:
        server.wait_ready()
        stream = Stream(server, minutes)
        next(iter(stream))
        stream.response.close()
        stream.connection.close()
        hotmic_py.until(lambda: "code=cancelled" in server.log(), "the request is cancelled")
        assert server.transcribe().status == 200
