"""on_small_disk.py FOLDER BYTES [--fill] CMD…: runs CMD where FOLDER is a filesystem of so many bytes, for it and for nobody else. --fill: with a
folder `home` in it and no byte left. Exits with 77 where this machine allows no mounts of one's own."""

import ctypes
import os
import sys
from pathlib import Path

MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags, options):
    if libc.mount(source, os.fsencode(target), kind, flags, options) != 0:
        raise OSError(ctypes.get_errno(), f"mount on {target}")


def shared():
    return " shared:" in Path("/proc/self/mountinfo").read_text()


def apart():
    """Into a mount namespace whose mounts nobody else sees."""
    user, group = os.getuid(), os.getgid()
    os.unshare(os.CLONE_NEWNS | (0 if user == 0 else os.CLONE_NEWUSER))
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if shared():  # in a root of its own (dev/in) nothing is, and "/" is no mount
        mount(None, "/", None, MS_REC | MS_PRIVATE, None)


def main():
    folder, size, *command = sys.argv[1:]
    try:
        apart()
        mount(b"none", folder, b"tmpfs", 0, f"size={size}".encode())
    except OSError as error:
        print(f"no mounts of one's own here: {error}", file=sys.stderr)
        sys.exit(77)
    if command[0] == "--fill":
        del command[0]
        os.mkdir(f"{folder}/home")
        filler = os.open(f"{folder}/filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filler, bytes(4096))
        except OSError:
            os.close(filler)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
