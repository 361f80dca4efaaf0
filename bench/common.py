"""What the measuring scripts share: programs, models, audio, an emptied page cache, tables."""

import contextlib
import ctypes
import hashlib
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests/support"))

import hotmic_py  # noqa: E402

POCKETSPHINX_MODEL = Path("/usr/share/pocketsphinx/model/en-us")


def use_programs(folder):
    """Programs come from `folder`; without one from the newest build."""
    if folder:
        os.environ["HOTMIC_TEST_BIN"] = str(Path(folder).resolve())
    return hotmic_py.program()


def whisper_model(kind, folder):
    """A generated model of an official shape, made once in `folder`. Its text is known and has nothing to do with the audio; the
    arithmetic is that of real weights of that shape."""
    path = Path(folder) / f"{kind}.bin"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        subprocess.run([hotmic_py.program("hotmic_make_whisper_model"), aside, kind], check=True)
        aside.rename(path)
    return path


def speech_of_length(seconds, folder):
    """A WAV of that length: the built-in clip, over and over."""
    path = Path(folder) / f"speech-{seconds}.wav"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", hotmic_py.CLIP, "-t", str(seconds), "-ar", "16000",
                        "-ac", "1", path], check=True, stdin=subprocess.DEVNULL)
    return path


def in_real_time(recordings, rate, size):
    """Recordings (16-bit mono, `rate` Hz), one after the other, in pieces of `size` bytes; each comes when the next one would be heard."""
    began = time.monotonic()
    sent = 0
    for audio in recordings:
        for at in range(0, len(audio), size):
            piece = audio[at:at + size]
            yield piece
            sent += len(piece)
            time.sleep(max(0, began + sent / 2 / rate - time.monotonic()))


def files_of(path):
    """A file, or all files of a folder."""
    return [each for each in sorted(path.rglob("*")) if each.is_file()] if path.is_dir() else [path]


def mapped_files(pid):
    """Files that a process has mapped: its program and its libraries."""
    found = set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/") and Path(fields[5]).is_file():
            found.add(Path(fields[5]))
    return sorted(found)


def evict(files):
    """Asks the kernel to forget these files. Pages that some process has mapped stay. Returns the share that is still cached."""
    cached = total = 0
    for file in files:
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())  # only clean pages can be dropped
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        here, all_pages = cached_pages(file)
        cached += here
        total += all_pages
    return cached / total if total else 0.0


def cached_pages(file):
    """How many of a file's pages are in memory, and how many it has."""
    size = file.stat().st_size
    if size == 0:
        return 0, 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
    with open(file, "rb") as handle:
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, handle.fileno(), 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), f"{file} cannot be mapped")
    seen = (ctypes.c_ubyte * pages)()
    libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), seen)
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    return sum(page & 1 for page in seen), pages


def resident_bytes(pid):
    """What a process has in memory, as the kernel shows it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE


def cpu_seconds(pid):
    """Processor time a process has used, its ended threads included. The kernel counts in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def web_server(folder):
    """A web server of its own process with a folder's files, and its address. It sends as web servers do, without copying (sendfile)."""
    program = """
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, target):
        target.flush()
        self.connection.sendfile(source)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *each: Handler(*each, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"""
    process = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield "http://127.0.0.1:" + process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def model_to_pull(folder, megabytes=150):
    """A file of that size that no engine reads, its digest, and a folder with it."""
    file = Path(folder) / "web/m/ggml-large.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(megabytes):
            piece = os.urandom(1_000_000)
            digest.update(piece)
            out.write(piece)
    return file, digest.hexdigest()


def catalogue_of(folder, url, file, digest):
    """A catalogue with the model `bench-large` at that address."""
    path = Path(folder) / "catalogue.toml"
    path.write_text(f'[bench-large]\nkind = "whisper"\nmemory_mb = 1\n[[bench-large.sources]]\nurl = "{url}/m"\n'
                    f'files = [{{ name = "{file.name}", size = {file.stat().st_size}, digest = "{digest}" }}]\n')
    return path


def machine():
    names = [line.split(": ", 1)[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores"


def markdown(header, rows):
    """A table; columns of numbers are given as text already."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
