"""lesser_kernel.py [seccomp] [landlock] -- CMD…: runs CMD as on a kernel without these, or in a container that forbids them."""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
ENOSYS = 38
SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
LANDLOCK = 444
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF: ld [k]; jeq #k; ret #k


def without(calls):
    program = [(LOAD, 0, 0, 0)]  # the number of the call
    for left, call in zip(range(len(calls), 0, -1), calls):
        program.append((EQUAL, left, 0, call))  # over the rest and one return
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | ENOSYS)]
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code)
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.c_char_p(fprog), 0, 0) == 0, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    at = sys.argv.index("--")
    without([{"seccomp": SECCOMP, "landlock": LANDLOCK}[name] for name in sys.argv[1:at]])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
