#!/usr/bin/env python3
"""What people who mean harm can do to a server: its memory, its probes and its end while they are at it.

usage: dev/in bench/attacks.py [--seconds S] [--bin FOLDER] [NAME …]

One server an attack, with the fake engine and `server.max_buffered_bytes` of 64 MiB; the attackers are four processes on this
machine that never pause. A table:

  memory   the most the server ever had, less what it had before and `server.max_buffered_bytes`; at most 64 MiB
           (not of media: what decoding takes is no buffer)
  probe    99th percentile of `GET /livez`, each on a connection of its own, from a process of its own; at most 50 ms
  end      from SIGTERM, with the attack going on, to the process's end; at most `server.shutdown_timeout_ms` and a second

Exits 1 where one is over. Who asks and who attacks share the processors with the server, so that a machine with few of them shows
what they cost each other, too: `nothing` is no attack, `busy processors` the same processes that only compute.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
from hotmic_py import CLIP, Server, free_port

sys.path.insert(0, str(common.SOURCE / "tests/server"))

from raw_http import connect, form, frame, most_resident, open_websocket, post, push  # noqa: E402

MOST = 64 << 20
SHUTDOWN = 5.0
ATTACKERS = 4
LIMITS = {"memory": 64.0, "probe": 50.0, "end": SHUTDOWN + 1}


class Target:
    """All that attackers know of the server."""

    def __init__(self, server, uploads):
        self.url, self.wyoming, self.uploads = server.url, server.wyoming, uploads


def read_all(connection):
    """What there is to come, until there is nothing more."""
    while connection.recv(1 << 16):
        pass


def pipelined_requests(target):
    with connect(target) as client:
        push(client, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 1000, 60)
        client.recv(1)


def header_lines(target):
    with connect(target) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n")
        push(client, b"".join(b"x-%d: y\r\n" % n for n in range(10_000)), 30)


def socket_attack(first, piece, times):
    def attack(target):
        connection, _ = open_websocket(target)
        with connection:
            connection.sendall(first)
            push(connection, piece, times)

    return attack


def half_events(target):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", target.wyoming))) for _ in range(5)]
        for client in clients:
            push(client, b'{"type":"audio-chunk","payload_length":8000000}\n' + bytes(7_900_000), 1)
        clients[0].recv(1)


def unfinished_uploads(target):
    head = post(b"", path="/v1/audio/transcriptions").replace(b"Content-Length: 0", b"Content-Length: 104000000")
    begin = form(('Content-Disposition: form-data; name="file"; filename="a"', b""), end=False)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(target)) for _ in range(3)]
        for client in clients:
            push(client, head + begin, 1)
        for _ in range(99):
            for client in clients:
                push(client, bytes(1 << 20), 1)
        read_all(clients[0])


def empty_parts(target):
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'
    with connect(target) as client:
        client.sendall(post(b"").replace(b"Content-Length: 0", b"Content-Length: 100000000"))
        push(client, part * 10_000, 200)
        read_all(client)


def unwanted_body(target):
    with connect(target) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        push(client, b"100000\r\n" + bytes(1 << 20) + b"\r\n", 300)


def idle_connections(target):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(target))
        time.sleep(1)  # to be idle is the attack


def upload(name):
    def attack(target):
        with connect(target) as client:
            client.sendall(target.uploads[name])
            read_all(client)

    return attack


def compute(_):
    sum(range(1_000_000))


MEDIA = {"Matroska, cues descending": upload("cues.mkv"), "40 MiB of OggS": upload("endless.ogg")}
ATTACKS = {
    "nothing": lambda _: time.sleep(1),
    "busy processors": compute,
    "pipelined requests, answers unread": pipelined_requests,
    "300 000 header lines": header_lines,
    "WebSocket fragments": socket_attack(frame(1, b"x", fin=False), frame(0, b"a" * (1 << 20), fin=False), 100),
    "empty WebSocket fragments": socket_attack(frame(1, b"x", fin=False), frame(0, b"", fin=False) * 10_000, 500),
    "WebSocket frames of 2^62 bytes": socket_attack(b"", bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 62) + bytes(4) + b"a" * (1 << 20), 1),
    "WebSocket pings, answers unread": socket_attack(b"", frame(9, b"p" * 125) * 1000, 100),
    "WebSocket errors, answers unread": socket_attack(b"", frame(1, b"{") * 1000, 60),
    "half Wyoming events": half_events,
    "unfinished uploads of 99 MiB": unfinished_uploads,
    "empty parts": empty_parts,
    "GET with a body of 300 MiB": unwanted_body,
    "1200 idle connections": idle_connections,
} | MEDIA


def descending_cues(count):
    """A Matroska file whose cues stand in descending order, as tests/audio/forged_media.hpp makes it."""

    def element(number, body):
        return bytes.fromhex(number) + (len(body) | 1 << 56).to_bytes(8, "big") + body

    def cue(at):
        position = element("B7", element("F7", b"\1") + element("F1", struct.pack("!I", 1000)))
        return element("BB", element("B3", struct.pack("!I", at)) + position)

    track = element("AE", element("D7", b"\1") + element("73C5", b"\1") + element("83", b"\2") + element("86", b"A_PCM/INT/LIT") +
                    element("E1", element("B5", b"\x46\x7A\0\0")))
    cluster = element("1F43B675", element("E7", b"\0") + element("A3", b"\x81\0\0\x80" + bytes(3200)))
    return (element("1A45DFA3", element("4282", b"matroska")) +
            element("18538067", element("1654AE6B", track) + element("1C53BB6B", b"".join(map(cue, range(count, 0, -1)))) + cluster))


def uploads_of_media(folder):
    """Whole requests, by the file that they hold."""
    ogg = folder / "a.ogg"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", CLIP, "-c:a", "libopus", ogg], check=True, stdin=subprocess.DEVNULL)
    made = {"cues.mkv": descending_cues(200_000), "endless.ogg": ogg.read_bytes()[:200] + b"OggS" * (10 << 20)}
    requests = {}
    for name, content in made.items():
        (folder / name).write_bytes(content)
        requests[name] = post(form(file=folder / name))
    return requests


def go_on(attack, target):
    while True:
        with contextlib.suppress(OSError):
            attack(target)


def probe(url, seconds, told):
    """Milliseconds that each probe took, or infinity."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
            connection.request("GET", "/livez")
            good = connection.getresponse().status == 200
            connection.close()
        except (OSError, http.client.HTTPException):
            good = False
        took.append(1000 * (time.monotonic() - begin) if good else float("inf"))
        time.sleep(0.01)
    told.put(took)


def begun(function, *arguments):
    process = multiprocessing.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def measure(attack, seconds, uploads, folder):
    wyoming = free_port()
    with Server("--provider", "fake", "--model", "fake:", "--level", "0", "--set", f"server.max_buffered_bytes={MOST}", "--set",
                f"server.wyoming_port={wyoming}", "--set", f"server.shutdown_timeout_ms={int(SHUTDOWN * 1000)}", home=folder, name="hotmic-faults") as server:
        server.wyoming = wyoming
        server.wait_ready()
        server.transcribe()
        before = most_resident(server)
        attackers = [begun(go_on, attack, Target(server, uploads)) for _ in range(ATTACKERS)]
        told = multiprocessing.Queue()
        prober = begun(probe, server.url, seconds, told)
        took = told.get(timeout=seconds + 60)
        prober.join()
        memory = (most_resident(server) - before - MOST) / (1 << 20)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.wait()
        end = time.monotonic() - begin
        for each in attackers:
            each.terminate()
            each.join()
    return {"memory": memory, "probe": statistics.quantiles(took, n=100)[98], "end": end}, code, len(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of the names of attacks; all of them without one")
    parser.add_argument("--seconds", type=float, default=4, help="how long each goes on before SIGTERM (4)")
    parser.add_argument("--bin", help="folder of the programs; the newest build without one")
    given = parser.parse_args()
    common.use_programs(given.bin)
    multiprocessing.set_start_method("fork")
    bad = 0
    print("| attack | memory over idle and limit | probe, 99th percentile | SIGTERM to end | probes | exit code |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        uploads = uploads_of_media(Path(folder))
        for name, attack in ATTACKS.items():
            if given.names and not any(each in name for each in given.names):
                continue
            got, code, probes = measure(attack, given.seconds, uploads, folder)
            mark = {what: " (over)" if value > LIMITS[what] and not (what == "memory" and name in MEDIA) else "" for what, value in got.items()}
            bad += sum(map(bool, mark.values()))
            print(f"| {name} | {got['memory']:.0f} MiB{mark['memory']} | {got['probe']:.1f} ms{mark['probe']} | {got['end']:.2f} s{mark['end']} | "
                  f"{probes} | {code} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
