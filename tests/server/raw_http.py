"""HTTP by its bytes, for what no client library would send."""

import base64
import contextlib
import re
import socket
import struct
from urllib.parse import urlsplit

from hotmic_py import CLIP, PATIENCE

PATH = "/v1/audio/transcriptions"


def connect(server, timeout=PATIENCE):
    at = urlsplit(server.url)
    connection = socket.create_connection((at.hostname, at.port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(server, data):
    """Everything that is answered, up to the end of the connection, which the server has to close."""
    with connect(server) as connection:
        connection.sendall(data)
        got = b""
        while part := connection.recv(1 << 16):
            got += part
        return got


def statuses(answers):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def read_answer(stream):
    """Status, headers and body of the next answer of a `makefile`."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    return status, headers, stream.read(int(headers.get("content-length", 0)))


def form(*parts, boundary="b", file=CLIP, end=True):
    """Parts as (header lines, value); without any, the clip as `file`."""
    parts = parts or (('Content-Disposition: form-data; name="file"; filename="a.flac"', file.read_bytes()),)
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + value + b"\r\n" for head, value in parts)
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def post(body, more="", content_type="multipart/form-data; boundary=b", path=PATH, close=True):
    ending = "Connection: close\r\n" if close else ""
    return (f"POST {path} HTTP/1.1\r\nHost: hotmic\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{ending}{more}\r\n").encode() + body


def chunked(body, more="", coding="chunked", size=30_000, trailer="", content_type="multipart/form-data; boundary=b"):
    head = (f"POST {PATH} HTTP/1.1\r\nHost: hotmic\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
            f"Transfer-Encoding: {coding}\r\n{more}\r\n").encode()
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return head + b"".join(f"{len(piece):X}\r\n".encode() + piece + b"\r\n" for piece in pieces) + f"0\r\n{trailer}\r\n".encode()


def open_websocket(server, path="/v1/realtime", more=""):
    """The connection and the head of the answer."""
    connection = connect(server)
    connection.sendall((f"GET {path} HTTP/1.1\r\nHost: hotmic\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n{more}\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            break
        head += part
    return connection, head


def frame(opcode, payload=b"", fin=True):
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    head += bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack("!H", size) if size < 1 << 16 else bytes([0xFF]) + struct.pack("!Q", size)
    return head + bytes(4) + payload  # a mask of zeros changes nothing


def push(connection, piece, times):
    """Sends it so often, or until the other side takes no more. Gives how many bytes were sent."""
    patience = connection.gettimeout()
    connection.settimeout(2)
    sent = 0
    with contextlib.suppress(OSError):
        for _ in range(times):
            connection.sendall(piece)
            sent += len(piece)
    connection.settimeout(patience)
    return sent


def metric(server, name):
    return float(next(line.split()[-1] for line in server.request("/metrics").text.splitlines() if line.startswith(name + " ")))


def most_resident(server):
    """The most memory that its process ever had."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
