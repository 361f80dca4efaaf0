"""What is a request and where it ends, by RFC 9112: nobody may smuggle one request in another."""

import pytest
from conftest import FAKE_TEXT
from raw_http import chunked, connect, exchange, form, open_websocket, post, read_answer, statuses

HIDDEN = b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n"
INDEX = b"POST /v2/repository/index HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("request_bytes", [
    pytest.param(INDEX + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(HIDDEN)), id="length and coding"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n", id="coding and length"),
    pytest.param(INDEX + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN), id="two lengths"),
    pytest.param(INDEX + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", id="the same length twice"),
    pytest.param(INDEX + b"Content-Length: 0, 0\r\n\r\n", id="list of lengths"),
    pytest.param(INDEX + b"Content-Length: +5\r\n\r\n", id="plus"),
    pytest.param(INDEX + b"Content-Length: -1\r\n\r\n", id="negative"),
    pytest.param(INDEX + b"Content-Length: 0x10\r\n\r\n", id="hexadecimal"),
    pytest.param(INDEX + b"Content-Length: 18446744073709551616\r\n\r\n", id="2^64"),
    pytest.param(INDEX + b"Content-Length: 5abc\r\n\r\n", id="junk"),
    pytest.param(INDEX + b"Content-Length:\r\n\r\n", id="empty length"),
    pytest.param(INDEX + b"Transfer-Encoding: xchunked\r\n\r\n", id="xchunked"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked, identity\r\n\r\n", id="chunked is not last"),
    pytest.param(INDEX + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="another coding"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two codings"),
    pytest.param(INDEX + b"Transfer-Encoding : chunked\r\n\r\n", id="space before the colon"),
    pytest.param(INDEX.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n", id="bare line feeds"),
    pytest.param(INDEX + b"X: a\nContent-Length: %d\r\n\r\n" % len(HIDDEN), id="a bare line feed hides a field"),
    pytest.param(INDEX + b"X: a\rContent-Length: %d\r\n\r\n" % len(HIDDEN), id="bare carriage return"),
    pytest.param(INDEX + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", id="NUL"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", id="chunk of 2^68"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", id="negative chunk"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", id="0x in a chunk"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", id="bare line feed in a chunk"),
    pytest.param(INDEX + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", id="chunk without its end"),
    pytest.param(b"GET /v2 HTTP/1.1\r\n\r\n", id="no Host"),
    pytest.param(b"GET /v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two Hosts"),
    pytest.param(b"GET /v2 HTTP/1.1\r\nHost: a b\r\n\r\n", id="no host in Host"),
    pytest.param(b"POST /v2/repository/index HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks in HTTP/1.0"),
    pytest.param(b"GET /v2 HTTP/3.9\r\nHost: a\r\n\r\n", id="HTTP/3.9"),
    pytest.param(b"GET v2 HTTP/1.1\r\nHost: a\r\n\r\n", id="no path"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
])
def test_what_is_ambiguous_is_refused_and_the_connection_closed(ready, request_bytes):
    answers = exchange(ready, request_bytes + HIDDEN)
    assert statuses(answers) == [400], answers
    head, _, body = answers.partition(b"\r\n\r\n")
    assert b"connection: close" in head and b'"code":"invalid_request"' in body


@pytest.mark.parametrize("request_bytes", [
    pytest.param(INDEX + b"Transfer-Encoding: Chunked\r\n\r\n2;ext=\"a b\"\r\n{}\r\n0\r\n\r\n", id="in any case, with an extension"),
    pytest.param(INDEX + b"Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\nContent-Length: 50\r\n\r\n", id="trailers"),
    pytest.param(INDEX + b"Content-Length: 2\r\n\r\n{}", id="length"),
    pytest.param(b"\r\n" + INDEX + b"Content-Length: 2\r\n\r\n{}", id="an empty line before"),
    pytest.param(INDEX.replace(b"/v2", b"http://127.0.0.1/v2").replace(b"localhost", b"a") + b"Content-Length: 2\r\n\r\n{}", id="absolute URL"),
    pytest.param(b"GET /v2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", id="a GET with a body"),
])
def test_what_is_clear_is_taken_and_the_next_request_too(ready, request_bytes):
    answers = exchange(ready, request_bytes + HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert statuses(answers) == [200, 200], answers


def test_an_upgrade_has_no_body_and_nothing_follows_it(ready):
    connection, head = open_websocket(ready, more="Content-Length: 5\r\n")
    with connection:
        assert b" 400 " in head


class TestExpect:
    @pytest.mark.parametrize("word", ["100-continue", "100-Continue"])
    def test_a_client_may_wait_with_a_chunked_body(self, ready, word):
        with connect(ready) as client:
            stream = client.makefile("rb")
            whole = chunked(form(), f"Expect: {word}\r\n")
            head, _, body = whole.partition(b"\r\n\r\n")
            client.sendall(head + b"\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n" and stream.readline() == b"\r\n"
            client.sendall(body)
            status, _, text = read_answer(stream)
            assert status == 200 and FAKE_TEXT.encode() in text

    def test_who_is_refused_is_not_asked_to_go_on(self, ready):
        answers = exchange(ready, post(b"", "Expect: 100-continue\r\n", content_type="text/plain").replace(b"Content-Length: 0", b"Content-Length: 5"))
        assert statuses(answers) == [400] and b"multipart" in answers

    def test_other_expectations_are_417(self, ready):
        assert statuses(exchange(ready, post(form(), "Expect: miracles\r\n"))) == [417]


class TestForms:
    @pytest.mark.parametrize(("head", "kind"), [
        ("Content-Type: audio/wav\r\nContent-Disposition: form-data; filename=a.wav; name=file", 'multipart/form-data; boundary="b"'),
        ('Content-Disposition: form-data; filename="a b.wav"; name="file"', "multipart/form-data; Boundary=b"),
        ("content-disposition: Form-Data; Name=file; filename*=utf-8''a%20b.wav", "Multipart/Form-Data;boundary=b"),
        ('Content-Disposition: form-data; name="file"; filename="x\\"y.wav"', "multipart/form-data; charset=utf-8; boundary=b"),
        ('Content-Disposition: form-data; name="file"', "multipart/form-data; boundary=b"),
    ])
    def test_file_parts_as_clients_write_them(self, ready, head, kind):
        clip = form().split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--b--", 1)[0]
        answers = exchange(ready, post(form((head, clip)), content_type=kind))
        assert statuses(answers) == [200] and FAKE_TEXT.encode() in answers

    @pytest.mark.parametrize("size", [1, 7, 64, 4096])
    def test_it_does_not_matter_where_the_pieces_end(self, ready, size):
        body = form(('Content-Disposition: form-data; name="response_format"', b"text"),
                    ('Content-Disposition: form-data; name="file"; filename="a"', b"\r\n--\r\n--x\r\n-" * 50))
        answers = exchange(ready, chunked(body, coding="Chunked", size=size, trailer="X-Sum: 1\r\n"))
        assert statuses(answers) == [400] and b"audio_undecodable" in answers

    @pytest.mark.parametrize(("parts", "status", "word"), [
        ((("Content-Disposition: form-data", b"x"),), 400, b"no name"),
        ((('Content-Disposition: form-data; name="file"; filename="a"', b"x"), ('Content-Disposition: form-data; name="file"; filename="b"', b"y")),
         400, b"two parts"),
        ((('Content-Disposition: form-data; name="audio_file"; filename="a.wav"', b"x"),), 400, b"audio_file"),
        ((('Content-Disposition: form-data; name="file[]"; filename="a.wav"', b"x"),), 400, b"file[]"),
        ((('Content-Disposition: form-data; name="language"', b"x" * 100_000),), 400, b"over 65536 bytes"),
        (tuple((f'Content-Disposition: form-data; name="f{n}"', b"") for n in range(200)), 400, b"over 128 parts"),
        (((f'Content-Disposition: form-data; name="{"n" * 9000}"', b""),), 400, b"header of a part"),
    ])
    def test_a_refusal_says_what_is_wrong(self, ready, parts, status, word):
        answers = exchange(ready, post(form(*parts)))
        assert statuses(answers) == [status] and word in answers, answers

    def test_extras_of_other_servers_are_answered_with_a_warning(self, ready):
        for name, value in {"vad_filter": "true", "best_of": "2", "temperature_inc": "0.2", "diarize": "false"}.items():
            answer = ready.transcribe(**{name: value})
            assert answer.status == 200 and name in answer.headers["warning"]
        assert "ignored" in answer.headers["warning"] and "field ignored" in ready.log()

    def test_parameters_of_the_address_are_fields(self, ready):
        answer = ready.transcribe(path="/v1/audio/transcriptions?response_format=text&api-version=2024-06-01")
        assert answer.text == FAKE_TEXT + "\n"

    def test_what_python_writes(self, ready):
        assert ready.transcribe(stream="False", response_format="verbose_json", timestamp_granularities="word,segment").json()["words"]


class TestMethods:
    @pytest.mark.parametrize("path", ["/", "/livez", "/health", "/metrics", "/v1/models", "/v1/models/default", "/v2", "/admin/models", "/page.js"])
    def test_head_is_get_without_a_body(self, ready, path):
        get, head = ready.request(path), ready.request(path, "HEAD")
        assert head.status == get.status == 200 and head.body == b""
        assert int(head.headers["content-length"]) > 0

    @pytest.mark.parametrize(("path", "methods"), [
        ("/livez", {"GET", "HEAD", "OPTIONS"}), ("/v1/audio/transcriptions", {"POST", "OPTIONS"}),
        ("/admin/models/default", {"DELETE", "OPTIONS"}), ("/admin/models/default/load", {"POST", "DELETE", "OPTIONS"}), ("*", {"OPTIONS"}),
    ])
    def test_options_says_which_there_are(self, ready, path, methods):
        answers = exchange(ready, f"OPTIONS {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert statuses(answers) == [204]
        [allow] = [line for line in answers.decode().split("\r\n") if line.startswith("allow: ")]
        assert set(allow.removeprefix("allow: ").split(", ")) == methods

    def test_a_wrong_method_is_405_and_says_which_are_right(self, ready, error_of):
        answer = ready.request("/v1/audio/transcriptions", "GET")
        error_of(answer, 405, "method_not_allowed")
        assert "POST" in answer.headers["allow"]

    def test_a_websocket_without_an_upgrade_is_426(self, ready, error_of):
        for path in ("/v1/realtime", "/ws/live-listener"):
            answer = ready.request(path)
            error_of(answer, 426, "upgrade_required")
            assert answer.headers["upgrade"] == "websocket"


class TestOldClients:
    def test_http_1_0_is_closed_and_kept_where_asked(self, ready):
        assert statuses(exchange(ready, b"GET /livez HTTP/1.0\r\n\r\n")) == [200]
        kept = exchange(ready, b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /livez HTTP/1.0\r\n\r\n")
        assert statuses(kept) == [200, 200] and b"connection: keep-alive" in kept

    @pytest.mark.parametrize("request_line", ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"])
    def test_events_are_not_chunked_for_who_wants_no_further_request(self, ready, request_line):
        body = form(('Content-Disposition: form-data; name="stream"', b"true"),
                    ('Content-Disposition: form-data; name="file"; filename="a"', form().split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--b--", 1)[0]))
        answers = exchange(ready, (f"POST /v1/audio/transcriptions {request_line}Content-Type: multipart/form-data; boundary=b\r\n"
                                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        head, _, events = answers.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head and b"connection: close" in head
        assert events.startswith(b"event: transcript.text.delta\ndata: {") and events.endswith(b"data: [DONE]\n\n")
        assert b"event: transcript.text.done\n" in events
