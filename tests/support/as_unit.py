"""as_unit.py UNIT CMD…: runs CMD under what the unit file's SystemCallFilter=, MemoryDenyWriteExecute= and NoNewPrivileges= take from it, made by the
kernel's own means, for machines where no systemd runs. Groups of calls are those of the systemd that is installed."""

import ctypes
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 22, 38, 65
SECCOMP_MODE_FILTER, MDWE_REFUSE_EXEC_GAIN = 2, 1
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
libc = ctypes.CDLL(None, use_errno=True)


def calls_of(group):
    """A call, or with an @ before it a group of systemd's."""
    if not group.startswith("@"):
        return {group}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in shown.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(calls_of(name) for name in names))


def allowed(unit):
    names = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        groups = set().union(*(calls_of(group) for group in line.removeprefix("~").split()))
        names = names - groups if line.startswith("~") else names | groups
    return names


def numbers():
    """Of the calls of this processor, as the compiler knows them."""
    shown = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", shown, re.M)}


def main():
    unit = Path(sys.argv[1]).read_text()
    known = numbers()
    program = [struct.pack("HBBI", LOAD_WORD, 0, 0, 0)]
    for name in sorted(allowed(unit) & known.keys()):
        program += [struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, known[name]), struct.pack("HBBI", RETURN, 0, 0, ALLOW)]
    program.append(struct.pack("HBBI", RETURN, 0, 0, EPERM))
    assert len(program) > 400, "hardly any call is allowed: has the form of the unit changed?"
    code = ctypes.create_string_buffer(b"".join(program))
    filter_ = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    assert "\nNoNewPrivileges=yes\n" in unit and "\nMemoryDenyWriteExecute=yes\n" in unit
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        print("this kernel cannot deny memory that is written and executed", file=sys.stderr)
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) == 0, os.strerror(ctypes.get_errno())
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
