"""Proxies in front of servers: begun, waited for, ended, and what HAProxy says of who is behind it."""

import contextlib
import csv
import os
import socket
import subprocess

from hotmic_py import Server, until


class Behind:
    """A server as clients behind a proxy see it: the same program, another address."""

    request, transcribe, tls = Server.request, Server.transcribe, None

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(tool, command, folder, port, *others, variables=None):
    """A proxy in the foreground, until it listens on all of its ports, and its end. `variables`: for its environment."""
    with (folder / f"{tool}.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | (variables or {}), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def listens():
        assert process.poll() is None, (folder / f"{tool}.log").read_text()
        with contextlib.suppress(OSError):
            for one in (port, *others):
                socket.create_connection(("127.0.0.1", one)).close()
            return True

    try:
        until(listens, f"{tool} listens")
        yield Behind(port)
    finally:
        process.kill()
        process.wait()


def haproxy_status(told, server):
    """What HAProxy's statistics, at `told`, say of one server of the backend "hotmic"."""
    lines = told.request("/;csv").text.lstrip("# ").splitlines()
    [row] = [row for row in csv.DictReader(lines) if row["pxname"] == "hotmic" and row["svname"] == server]
    return row
