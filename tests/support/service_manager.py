"""Plays systemd's part: what a service manager gives and is told (sd_notify, sd_listen_fds, LoadCredential, the journal)."""

import os
import socket
import struct
import sys
from pathlib import Path

from hotmic_py import PATIENCE
from on_small_disk import MS_BIND, apart, mount


class NotifySocket:
    """A datagram socket as systemd's: `env` is for the service, `told` is everything it has said, one dictionary a message."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(PATIENCE)
        self.told = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def env(self):
        return {"NOTIFY_SOCKET": str(self.path)}

    def next(self):
        said = self.socket.recv(1 << 16).decode()
        self.told.append(dict(line.split("=", 1) for line in said.splitlines()))
        return self.told[-1]

    def until(self, **fields):
        """The next message with these fields: until(READY="1"); ... stands for any value."""
        while True:
            message = self.next()
            if all(name in message and value in (..., message[name]) for name, value in fields.items()):
                return message


def listening(port=0, host="127.0.0.1", kind=socket.SOCK_STREAM):
    """A socket as a socket unit has it open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, kind)
    opened.bind((host, port))
    if kind == socket.SOCK_STREAM:
        opened.listen()
    return opened


def passing(*sockets, names):
    """Arguments for hotmic_py.Server by which it gets these sockets from number 3 on, under these names."""
    numbers = [each.fileno() for each in sockets]
    high = [f"{number + 100}<&{number}" for number in numbers]  # first out of the way, for they may be among the first
    moves = [f"{3 + i}<&{number + 100} {number + 100}<&-" for i, number in enumerate(numbers)]
    script = f'exec {" ".join(high)}; exec {" ".join(moves)}; LISTEN_PID=$$ exec "$@"'
    return {"under": ("bash", "-c", script, "bash"), "descriptors": numbers,
            "env": {"LISTEN_FDS": len(sockets), "LISTEN_FDNAMES": ":".join(names)}}


class Journal:
    """journald's socket, in a mount namespace of the service's own: Server(**journal.under())."""

    def __init__(self, folder):
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.folder / "socket"))
        self.socket.settimeout(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def under(self):
        return {"under": (sys.executable, __file__, str(self.folder))}

    def next(self):
        """The fields of the next entry, in the journal's native protocol: NAME=VALUE lines, or NAME, a length and bytes."""
        data = self.socket.recv(1 << 20)
        fields = {}
        while data:
            line, _, rest = data.partition(b"\n")
            if b"=" in line:
                name, _, value = line.partition(b"=")
            else:
                name, size = line, struct.unpack("<Q", rest[:8])[0]
                value, rest = rest[8:8 + size], rest[9 + size:]
            fields[name.decode()] = value.decode()
            data = rest
        return fields

    def until(self, **parts):
        """The next entry whose fields hold these texts."""
        while True:
            entry = self.next()
            if all(text in entry.get(name, "") for name, text in parts.items()):
                return entry


def main():
    """service_manager.py FOLDER CMD…: runs CMD where journald's socket is the one in FOLDER and standard error leads to it."""
    folder, *command = sys.argv[1:]
    apart()
    mount(b"none", "/run", b"tmpfs", 0, None)
    Path("/run/systemd/journal").mkdir(parents=True)
    mount(os.fsencode(folder), "/run/systemd/journal", None, MS_BIND, None)
    error = os.fstat(2)
    os.execvpe(command[0], command, os.environ | {"JOURNAL_STREAM": f"{error.st_dev}:{error.st_ino}"})


if __name__ == "__main__":
    main()
