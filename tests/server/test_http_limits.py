"""What a client may cost: memory, connections and time, whatever it sends and does not read. While each of these goes on, probes are
answered; afterwards the memory is what it was."""

import contextlib
import json
import socket
import struct
import threading

import pytest
from conftest import FAKE_TEXT
from hotmic_py import SANITIZED, free_port, until
from raw_http import connect, exchange, form, frame, metric, most_resident, open_websocket, push, read_answer, statuses

MOST = 16 << 20  # server.max_buffered_bytes and server.max_spooled_bytes here
SLACK = 64 << 20
LIMITS = ["--set", f"server.max_buffered_bytes={MOST}", "--set", f"server.max_spooled_bytes={MOST}", "--set", "server.api_keys=good",
          "--set", "server.max_connections=60", "--set", "server.header_timeout_ms=1500", "--set", "server.body_timeout_ms=1500", "--set", "server.idle_timeout_ms=3000"]
KEY = "Authorization: Bearer good\r\n"


@pytest.fixture
def limited(fake):
    wyoming = free_port()
    with fake(f"text={FAKE_TEXT}", *LIMITS, "--set", f"server.wyoming_port={wyoming}") as server:
        server.wyoming = wyoming
        server.wait_ready()
        yield server
        assert server.process.poll() is None
        assert server.request("/readyz").status == 200


@contextlib.contextmanager
def bounded(server):
    """Meanwhile probes are answered, and the most memory there ever was is within the limit."""
    before = most_resident(server)
    yield
    assert server.request("/livez").status == 200
    if not SANITIZED:
        assert most_resident(server) - before < MOST + SLACK


def test_pipelined_requests_whose_answers_nobody_reads(limited):
    requests = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    with connect(limited) as client, bounded(limited):
        push(client, requests, 60)
        assert metric(limited, "hotmic_buffered_bytes") < 1 << 20


def test_header_fields_without_end(limited):
    with connect(limited) as client, bounded(limited):
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n")
        push(client, b"".join(b"x-%d: " % n + b"v" * 100 + b"\r\n" for n in range(1000)), 500)
        with contextlib.suppress(ConnectionError):
            assert statuses(client.recv(1 << 16)) == [431]


@pytest.mark.parametrize("head", [b"x: " + b"v" * 40_000, b"x: " + b"v" * 70_000 + b"\r\n", b"".join(b"x%d: y\r\n" % n for n in range(200))])
def test_headers_over_the_limit_are_431(limited, head):
    assert statuses(exchange(limited, b"GET /livez HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")) == [431]


@pytest.mark.parametrize("head", [
    b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 300000000\r\n\r\n",
    b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 300000000\r\n\r\n",
    b"POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\n\r\n",
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000\r\n\r\n",
])
def test_a_body_that_nobody_wants_is_refused_before_it_comes(limited, head):
    with connect(limited) as client, bounded(limited):
        client.sendall(head)
        status, headers, body = read_answer(client.makefile("rb"))
        assert status in (401, 404, 413) and headers["connection"] == "close" and json.loads(body)["error"]["message"]


def test_a_body_without_a_length_that_nobody_wants_ends_soon(limited):
    with connect(limited) as client, bounded(limited):
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        push(client, b"10000\r\n" + bytes(65536) + b"\r\n", 20)
        with contextlib.suppress(ConnectionError):
            assert statuses(client.recv(1 << 16)) == [413]


@pytest.mark.parametrize(("uploads", "size", "budget"), [(8, 6 << 20, "spooled"), (40, 900 << 10, "buffered")])
def test_uploads_share_one_budget(fake, uploads, size, budget):
    """More unfinished uploads than there is room for, on disk and in memory: the last are refused. The first are not given up before
    the last have come, however slow this machine is."""
    head = (f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\n{KEY}Connection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            "Content-Length: 90000000\r\n\r\n").encode()
    begin = form(('Content-Disposition: form-data; name="file"; filename="a"', b""), end=False).removesuffix(b"\r\n")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(fake("", *LIMITS, "--set", "server.body_timeout_ms=8000", "--set", "server.idle_timeout_ms=60000",
                                         "--set", "server.header_timeout_ms=60000"))
        server.wait_ready()
        with bounded(server):
            clients = [stack.enter_context(connect(server)) for _ in range(uploads)]
            for client in clients:
                push(client, head + begin + bytes(size), 1)
            assert metric(server, "hotmic_buffered_bytes") <= MOST and metric(server, "hotmic_spooled_bytes") <= MOST
            until(lambda: metric(server, f"hotmic_{budget}_bytes_refusals") > 0, "there is no room for all of them")
            for client in clients:  # what was taken, and then not gone on with, ends too
                with contextlib.suppress(ConnectionError):
                    assert statuses(client.recv(1 << 16)) in ([503], [408], [])
        until(lambda: metric(server, "hotmic_buffered_bytes") < 1 << 20 and metric(server, "hotmic_spooled_bytes") == 0, "what was held is given back")


def test_large_buffers_that_come_and_go_are_not_kept(fake):
    """The C library by itself learns to keep them, until there is twice as much of it."""
    most = 64 << 20

    def attack(server):
        for _ in range(6):
            connection, _ = open_websocket(server)
            with connection:
                connection.sendall(frame(1, b"x", fin=False))
                push(connection, frame(0, b"a" * (1 << 20), fin=False), 100)

    with fake("", "--set", f"server.max_buffered_bytes={most}") as server:
        server.wait_ready()
        before = most_resident(server)
        attackers = [threading.Thread(target=attack, args=(server,)) for _ in range(4)]
        for each in attackers:
            each.start()
        for each in attackers:
            each.join()
        if not SANITIZED:
            assert most_resident(server) - before < most + SLACK


@pytest.mark.parametrize("path", ["/v1/realtime", "/ws/live-listener"])
@pytest.mark.parametrize(("first", "piece", "times"), [
    pytest.param(frame(1, b"x", fin=False), frame(0, b"a" * (1 << 20), fin=False), 40, id="fragments"),
    pytest.param(frame(1, b"x", fin=False), frame(0, b"", fin=False) * 10_000, 500, id="empty fragments"),
    pytest.param(b"", bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 62) + bytes(4) + b"a" * 1000, 1, id="a frame of 2^62"),
    pytest.param(b"", bytes([0x81, 0xFF]) + struct.pack("!Q", 20 << 20) + bytes(4) + b"a" * (19 << 20), 1, id="more than the budget"),
    pytest.param(b"", frame(9, b"p" * 125) * 1000, 100, id="pings that nobody reads"),
    pytest.param(b"", frame(1, b"{") * 1000, 60, id="errors that nobody reads"),
])
def test_websocket_messages_without_end(limited, path, first, piece, times):
    connection, head = open_websocket(limited, path, KEY)
    with connection, bounded(limited):
        assert b" 101 " in head
        connection.sendall(first)
        push(connection, piece, times)


def test_a_websocket_without_a_key_is_gone_soon(limited):
    connection, head = open_websocket(limited)
    with connection:
        assert b" 101 " in head
        connection.settimeout(20)
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 16):
                pass


@pytest.mark.parametrize(("begin", "status"), [
    (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", 408),
    (f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\n{KEY}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n".encode(), 408),
])
def test_a_slow_request_is_ended_however_often_a_byte_comes(limited, begin, status):
    with connect(limited) as client:
        client.sendall(begin)
        client.settimeout(0.1)
        answers = b""
        while True:
            try:
                part = client.recv(1 << 16)
            except TimeoutError:
                client.sendall(b"a")
                continue
            assert part, "it was closed without a word"
            answers += part
            if b"\r\n\r\n" in answers:
                break
        assert statuses(answers) == [status]


def test_an_idle_connection_is_closed_and_one_that_waits_is_not(fake):
    with fake("infer_ms=3000&text=late", "--set", "server.idle_timeout_ms=1000") as server:
        server.wait_ready()
        assert server.transcribe().json()["text"] == "late"
        with connect(server) as idle:
            assert idle.recv(1) == b""


def test_idle_connections_make_room_and_probes_are_always_answered(limited):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(limited))
        assert limited.request("/livez").status == 200
        assert limited.request("/v1/models", headers={"Authorization": "Bearer good"}).status == 200
        assert metric(limited, "hotmic_connections") <= 60 + 32


def test_where_none_is_idle_only_health_is_answered(fake, error_of):
    with fake("", "--set", "server.max_connections=8") as server:
        server.wait_ready()
        held = [open_websocket(server)[0] for _ in range(8)]
        assert server.request("/livez").status == 200 and server.request("/metrics").status == 200
        error_of(server.request("/v1/models"), 503, "server_busy")
        for each in held:
            each.close()
        until(lambda: server.request("/v1/models").status == 200, "there is room again")


def test_one_address_may_have_so_many_connections(fake, error_of):
    with fake("", "--host", "0.0.0.0", "--set", "server.max_connections_per_client=3") as server:
        server.wait_ready()
        port = int(server.url.rpartition(":")[2])
        held = [open_websocket(server)[0] for _ in range(3)]
        assert server.request("/livez").status == 200
        error_of(server.request("/v1/models"), 503, "server_busy")
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(server))

            def are_few():
                with contextlib.suppress(OSError):  # in a burst one more may come before the idle ones are known
                    return metric(server, "hotmic_connections") <= 3 + 4
                return False

            until(are_few, "no more than are kept for probes")
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert statuses(other.recv(1 << 16)) == [200]
        for each in held:
            each.close()


def test_an_idle_connection_makes_room_for_the_next_of_its_address(fake):
    """Who closes a connection and opens another at once may be there before the end of the first."""
    with fake("", "--host", "0.0.0.0", "--set", "server.max_connections_per_client=2", "--set", "server.idle_timeout_ms=3600000", "--set",
              "server.header_timeout_ms=3600000") as server, contextlib.ExitStack() as stack:
        server.wait_ready()

        def answered():
            connection = stack.enter_context(connect(server))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
            return connection

        idlest, _ = answered(), answered()  # the first was answered before the other came
        for _ in range(20):  # where the end of the one before is not known yet, it is told to come again
            until(lambda: server.request("/v1/models").status == 200, "there is room")
        assert idlest.recv(1) == b""


def test_wyoming_has_the_same_limits(limited):
    event = b'{"type":"audio-chunk","payload_length":4194304}\n' + bytes(4_000_000)

    def open_so_many(stack, most):
        for _ in range(most):
            with contextlib.suppress(OSError):
                yield stack.enter_context(socket.create_connection(("127.0.0.1", limited.wyoming), timeout=5))

    with contextlib.ExitStack() as stack, bounded(limited):
        assert len(list(open_so_many(stack, 100))) > 0
        assert metric(limited, "hotmic_connections") <= 60 + 32
    with contextlib.ExitStack() as stack, bounded(limited):
        for client in open_so_many(stack, 20):
            threading.Thread(target=push, args=(client, event, 1), daemon=True).start()
        until(lambda: metric(limited, "hotmic_buffered_bytes_refusals") > 0, "there is no room for all of them")
        assert metric(limited, "hotmic_buffered_bytes") <= MOST
    until(lambda: metric(limited, "hotmic_connections") < 5, "they are gone")
