"""POST /v1/audio/transcriptions and translations over a real socket."""

import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, PATIENCE, until

PATH = "/v1/audio/transcriptions"


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def connect(server):
    at = urlsplit(server.url)
    return socket.create_connection((at.hostname, at.port), timeout=PATIENCE)


def head(server, length=None, more=""):
    size = f"Content-Length: {length}\r\n" if length is not None else ""
    return f"POST {PATH} HTTP/1.1\r\nHost: hotmic\r\nContent-Type: multipart/form-data; boundary=b\r\n{size}{more}\r\n".encode()


def form(file=CLIP):
    return (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n' + file.read_bytes() + b"\r\n--b--\r\n")


def test_json_is_the_default(ready):
    answer = ready.transcribe()
    assert answer.status == 200
    assert lower(answer.headers)["content-type"] == "application/json"
    assert answer.json() == {"text": FAKE_TEXT, "usage": {"type": "duration", "seconds": 5}}


@pytest.mark.parametrize(("name", "kind", "pattern"), [
    ("text", "text/plain", rf"{FAKE_TEXT}\n"),
    ("srt", "text/plain", rf"1\n00:00:00,000 --> 00:00:04,\d{{3}}\n{FAKE_TEXT}\n\n"),
    ("vtt", "text/vtt", rf"WEBVTT\n\n00:00:00\.000 --> 00:00:04\.\d{{3}}\n{FAKE_TEXT}\n\n"),
])
def test_text_formats_are_raw(ready, name, kind, pattern):
    answer = ready.transcribe(response_format=name)
    assert answer.status == 200
    assert lower(answer.headers)["content-type"].startswith(kind)
    assert re.fullmatch(pattern, answer.text)


def test_cues_have_the_lines_that_are_asked_for(ready, fake):
    two = ready.transcribe(response_format="srt", max_line_width="11", max_line_count="1").text
    times = r"(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})"
    found = re.fullmatch(rf"1\n{times}\nthe fake\n\n2\n{times}\nhas spoken\n\n", two)
    assert found and found[1] < found[2] <= found[3] < found[4], two
    assert "\nthe fake\nhas spoken\n" in ready.transcribe(response_format="vtt", max_line_width="11").text
    long = "one two three four five six seven eight nine ten eleven twelve"
    with fake(f"text={long}", "--set", "server.max_line_count=1") as server:
        server.wait_ready()
        cues = [line for line in server.transcribe(response_format="vtt").text.split("\n") if "one" in line or "twelve" in line]
        assert len(cues) == 2 and " ".join(cues) == long and max(map(len, cues)) <= 42
        assert f"\n{long}\n" in server.transcribe(response_format="vtt", max_line_width="0").text
        assert server.transcribe(response_format="verbose_json").json()["segments"][0]["text"] == long


def test_verbose_json_lists_segments_and_words_as_asked(ready):
    plain = ready.transcribe(response_format="verbose_json").json()
    assert plain["task"] == "transcribe" and plain["language"] == "english" and plain["text"] == FAKE_TEXT
    assert [segment["id"] for segment in plain["segments"]] == [0] and "words" not in plain
    words = ready.transcribe(response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json()
    assert words["words"][0]["word"] == FAKE_TEXT and "segments" not in words


def test_sounds_and_uncovered_speech_are_for_who_asks(fake):
    with fake("text=[Music] la la (applause)") as server:
        server.wait_ready()
        plain = server.transcribe(response_format="verbose_json").json()
        assert plain["text"] == plain["segments"][0]["text"].strip() == "la la (applause)" and "uncovered_seconds" not in plain
        asked = server.transcribe(response_format="verbose_json", tag_audio_events="true", **{"include[]": "uncovered"}).json()
        assert asked["text"] == "[Music] la la (applause)" and asked["uncovered_seconds"] == 0
        assert server.transcribe(tag_audio_events="1", stream="true").text.count("[Music]") == 2


@pytest.mark.parametrize("model", ["default", "whisper-1", ""])
def test_names_and_aliases_of_the_model(ready, model):
    assert ready.transcribe(model=model).status == 200


def test_the_clients_request_id_comes_back_and_is_in_the_log(ready):
    answer = ready.request("/livez", headers={"X-Request-Id": "trace-42"})
    assert lower(answer.headers)["x-request-id"] == "trace-42"
    made = ready.request("/livez", headers={"X-Request-Id": "not sane"})
    assert re.fullmatch(r"req-[0-9a-f]{16}", lower(made.headers)["x-request-id"])
    wrong = ready.transcribe(model="none-such")
    assert f"request={lower(wrong.headers)['x-request-id']} " in ready.log()


def test_an_unknown_model_is_404_and_names_those_there_are(ready, error_of):
    error = error_of(ready.transcribe(model="large-v9"), 404, "model_not_found")
    assert error["param"] == "model" and "large-v9" in error["message"]
    assert "default" in error["message"] and "whisper-1" in error["message"]


@pytest.mark.parametrize(("fields", "code", "param"), [
    ({"stream": "true", "response_format": "srt"}, "invalid_request", "stream"),
    ({"include[]": "logprobs", "response_format": "text"}, "invalid_request", "include"),
    ({"include[]": "uncovered"}, "invalid_request", "include"),
    ({"known_speaker_names[]": "Ada"}, "unsupported_parameter", "known_speaker_names[]"),
    ({"chunking_strategy[threshold]": "0.5"}, "invalid_request", "chunking_strategy[type]"),
    ({"response_format": "diarized_json"}, "unsupported_response_format", "response_format"),
    ({"temperature": "2"}, "invalid_request", "temperature"),
    ({"timestamp_granularities[]": "word"}, "invalid_request", "timestamp_granularities"),
])
def test_what_cannot_be_honoured_is_refused_by_name(ready, error_of, fields, code, param):
    assert error_of(ready.transcribe(**fields), 400, code)["param"] == param


def test_wrong_bodies_are_told_apart(ready, error_of, tmp_path):
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    error_of(ready.request(PATH, "POST", b"{}", {"Content-Type": "application/json"}), 400, "invalid_request")
    error_of(ready.request(PATH, "POST", b"not a form", multipart), 400, "invalid_request")
    unnamed = error_of(ready.request(PATH, "POST", b"--b\r\n", {"Content-Type": "multipart/form-data"}), 400, "invalid_request")
    assert "boundary" in unnamed["message"]
    no_file = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    error_of(ready.request(PATH, "POST", no_file, multipart), 400, "missing_file")
    empty = tmp_path / "empty.wav"
    empty.touch()
    error_of(ready.transcribe(empty), 400, "audio_empty")
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"this is no audio " * 100)
    error_of(ready.transcribe(noise), 400, "audio_undecodable")


def test_a_form_that_ends_early_is_an_error_and_the_server_goes_on(ready, error_of):
    body = form()[:-20]
    error_of(ready.request(PATH, "POST", body, {"Content-Type": "multipart/form-data; boundary=b"}), 400, "invalid_request")
    assert ready.transcribe().status == 200


def test_a_connection_serves_request_after_request(ready):
    with connect(ready) as client:
        stream = client.makefile("rb")
        for _ in range(3):
            client.sendall(head(ready, len(form())) + form())
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = {}
            while (line := stream.readline().strip()):
                name, value = line.split(b":", 1)
                headers[name.lower()] = value.strip()
            assert json.loads(stream.read(int(headers[b"content-length"])))["text"] == FAKE_TEXT


def test_a_client_may_wait_for_100_continue(ready):
    with connect(ready) as client:
        stream = client.makefile("rb")
        client.sendall(head(ready, len(form()), "Expect: 100-continue\r\n"))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        while stream.readline().strip():
            pass
        client.sendall(form())
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_chunked_body_is_taken(ready):
    with connect(ready) as client:
        stream = client.makefile("rb")
        client.sendall(head(ready, None, "Transfer-Encoding: chunked\r\n"))
        body = form()
        for start in range(0, len(body), 30_000):
            piece = body[start:start + 30_000]
            client.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413(fake, error_of, tmp_path, chunked):
    big = tmp_path / "big.wav"
    big.write_bytes(bytes(3_000_000))
    with fake("", "--set", "server.max_body_bytes=1024") as server:
        server.wait_ready()
        if chunked:
            pieces = iter([form(big)])
            headers = {"Content-Type": "multipart/form-data; boundary=b", "Transfer-Encoding": "chunked"}
            answer = server.request(PATH, "POST", pieces, headers)
        else:
            answer = server.transcribe(big)
        assert "1024" in error_of(answer, 413, "body_too_large")["message"]
        assert server.request("/livez").status == 200


def test_audio_over_the_limit_is_413(fake, error_of):
    with fake("", "--set", "server.max_audio_seconds=2") as server:
        server.wait_ready()
        error_of(server.transcribe(), 413, "audio_too_long")


def test_keys_are_asked_of_v1_and_of_nothing_else(fake, error_of):
    with fake("", "--set", "server.api_keys=one,two") as server:
        server.wait_ready()
        for path in ("/v1/models", "/v1/models/default"):
            error_of(server.request(path), 401, "unauthorized")
            error_of(server.request(path, headers={"Authorization": "Bearer three"}), 401, "unauthorized")
            assert server.request(path, headers={"Authorization": "Bearer two"}).status == 200
        error_of(server.transcribe(), 401, "unauthorized")
        for path in ("/livez", "/readyz", "/startupz", "/health", "/metrics", "/model-status", "/capabilities", "/"):
            assert server.request(path).status == 200


def test_a_model_that_loads_is_503_with_a_time_to_wait(fake, error_of):
    with fake("hang=load") as server:
        server.wait_for("→ LOADING")
        answer = server.transcribe()
        error = error_of(answer, 503, "model_not_loaded")
        assert "reading" in error["message"] or "load" in error["message"]
        assert int(lower(answer.headers)["retry-after"]) >= 1


def test_a_model_that_failed_is_503_and_says_why(fake, error_of):
    with fake("fail=load&error=model_corrupt") as server:
        server.wait_for("→ ERROR")
        error = error_of(server.transcribe(), 503, "model_failed")
        assert "told to fail" in error["message"]


def test_a_full_queue_is_429_with_numbers(fake, error_of):
    """One slot that hangs, room for one to wait: the third is refused at once."""
    with fake("hang=infer", "--set", "models.default.max_waiting=1") as server:
        server.wait_ready()
        clients = [connect(server) for _ in range(2)]
        for number, client in enumerate(clients):
            client.sendall(head(server, len(form())) + form())
            server.until("busy" if number == 0 else "waiting")
        answer = server.transcribe()
        error = error_of(answer, 429, "queue_full")
        assert re.search(r"\b1\b", error["message"])
        assert int(lower(answer.headers)["retry-after"]) >= 1
        for client in clients:
            client.close()


def test_a_client_with_its_share_under_way_is_refused_and_another_is_not(fake, error_of):
    with fake("hang=infer&slots=2", "--host", "0.0.0.0", "--set", "server.max_requests_per_client=1") as server:
        server.wait_ready()
        greedy = connect(server)
        greedy.sendall(head(server, len(form())) + form())
        server.until("busy")
        answer = server.transcribe()
        error_of(answer, 429, "queue_full")
        assert "127.0.0.1 has 1 requests" in answer.text
        assert int(lower(answer.headers)["retry-after"]) >= 1
        other = socket.create_connection(greedy.getpeername(), timeout=PATIENCE, source_address=("127.0.0.2", 0))
        other.sendall(head(server, len(form())) + form())
        server.until("busy", 2)
        greedy.close()
        server.until("busy", 1)
        again = connect(server)
        again.sendall(head(server, len(form())) + form())
        server.until("busy", 2)
        for client in (other, again):
            client.close()


def test_a_client_that_goes_away_frees_its_slot(fake):
    with fake("hang=infer") as server:
        server.wait_ready()
        client = connect(server)
        client.sendall(head(server, len(form())) + form())
        server.until("busy")
        client.close()
        server.until("busy", 0)
        for line in ("hotmic_requests_in_flight 0\n", 'hotmic_errors_total{code="cancelled"} 1\n'):  # told after the slot is free
            until(lambda line=line: line in server.request("/metrics").text, f"the metrics say {line}")


def test_text_from_outside_cannot_break_answers_or_the_log(ready, error_of):
    error = error_of(ready.request("/no%0Asuch%22path%FF"), 404, "not_found")
    assert "path" in error["message"]
    lines = [line for line in ready.log().splitlines() if "code=not_found" in line]
    assert lines and all(line.endswith('"') for line in lines)
