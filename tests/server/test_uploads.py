"""Large uploads: on disk, where nobody finds them, counted, and told when there is no room."""

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import hotmic_py
import pytest
from conftest import FAKE_TEXT
from hotmic_py import SANITIZED, Server, until
from raw_http import connect, form, read_answer

MEMORY = 16 << 20  # server.max_buffered_bytes here
DISK = 300 << 20  # server.max_spooled_bytes
RATE = 48_000


@pytest.fixture
def spooling(fake, tmp_path):
    """A server whose uploads go to a folder of their own, `server.uploads`."""

    @contextlib.contextmanager
    def make(*more, folder=tmp_path / "uploads", **options):
        limits = {"max_buffered_bytes": MEMORY, "max_spooled_bytes": DISK, "max_body_bytes": DISK, "upload_dir": folder}
        flags = [flag for key, value in limits.items() for flag in ("--set", f"server.{key}={value}")]
        with fake(f"text={FAKE_TEXT}", *flags, *more, **options) as server:
            server.uploads = folder
            yield server.wait_ready()

    return make


def wav_head(data_bytes):
    """Of mono 16-bit samples."""
    number = lambda value, size: value.to_bytes(size, "little")  # noqa: E731
    return (b"RIFF" + number(36 + data_bytes, 4) + b"WAVEfmt " + number(16, 4) + number(1, 2) + number(1, 2) + number(RATE, 4) +
            number(2 * RATE, 4) + number(2, 2) + number(16, 2) + b"data" + number(data_bytes, 4))


def metric(server, name):
    return float(next(line.split()[-1] for line in server.request("/metrics").text.splitlines() if line.startswith(name + " ")))


def most_resident(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


BEGIN = form(('Content-Disposition: form-data; name="file"; filename="a.wav"', b""), end=False).removesuffix(b"\r\n")
END = b"\r\n--b--\r\n"


def begin(server, size):
    """A connection on which a form with a file of that size has begun to come."""
    client = connect(server)
    length = len(BEGIN) + size + len(END)
    client.sendall((f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n"
                    "Content-Type: multipart/form-data; boundary=b\r\n\r\n").encode() + BEGIN)
    return client


def test_memory_does_not_grow_with_an_upload_and_nobody_finds_it(spooling):
    size = 200 << 20
    with spooling() as server:
        server.transcribe()
        before = most_resident(server)
        with begin(server, size) as client:
            client.sendall(wav_head(size - 44))
            sample = bytes(range(1, 256)) * 4112  # neither silence nor in need of a random generator
            left = size - 44
            while left > 0:
                client.sendall(sample[:left])
                left -= len(sample)
                if left < size // 2:
                    assert list(server.uploads.iterdir()) == []
            until(lambda: metric(server, "hotmic_spooled_bytes") >= size - (1 << 20), "it is on disk")
            assert metric(server, "hotmic_buffered_bytes") < 1 << 20
            client.sendall(END)
            status, _, body = read_answer(client.makefile("rb"))
            assert status == 200 and FAKE_TEXT.encode() in body
        if not SANITIZED:
            assert most_resident(server) - before < 64 << 20
        until(lambda: metric(server, "hotmic_spooled_bytes") == 0, "its room is given back")
        assert list(server.uploads.iterdir()) == []
        assert server.uploads.stat().st_mode & 0o777 == 0o700


def test_an_upload_that_is_not_gone_on_with_gives_its_room_back(spooling):
    with spooling() as server:
        with begin(server, 100 << 20) as client:
            client.sendall(bytes(20 << 20))
            until(lambda: metric(server, "hotmic_spooled_bytes") > 10 << 20, "it is on disk")
        until(lambda: metric(server, "hotmic_spooled_bytes") == 0, "its room is given back")


def test_what_is_on_disk_is_bounded(spooling):
    with spooling("--set", "server.max_spooled_bytes=8388608") as server:
        with begin(server, 6 << 20) as first:
            first.sendall(wav_head((6 << 20) - 44) + bytes((6 << 20) - 44))
            until(lambda: metric(server, "hotmic_spooled_bytes") > (6 << 20) - (64 << 10), "all of it is on disk")
            with begin(server, 6 << 20) as second, contextlib.suppress(ConnectionError):
                with contextlib.suppress(ConnectionError):
                    second.sendall(bytes(6 << 20) + END)
                status, headers, body = read_answer(second.makefile("rb"))
                assert status == 503 and b"server_busy" in body and headers["retry-after"]
            assert metric(server, "hotmic_spooled_bytes_refusals") > 0
            first.sendall(END)
            assert read_answer(first.makefile("rb"))[0] == 200


def test_a_full_disk_is_told_and_the_server_goes_on(spooling, error_of, tmp_path):
    large = tmp_path / "large.wav"
    large.write_bytes(wav_head(4 << 20) + bytes(4 << 20))
    with spooling() as server:
        # A file that may not grow fails like a disk that is full.
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        error = error_of(server.transcribe(large), 507, "disk_full")
        assert str(server.uploads) in error["message"]
        assert server.transcribe().status == 200
        assert metric(server, "hotmic_spooled_bytes") == 0
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        assert server.transcribe(large).status == 200


def test_a_folder_that_cannot_be_used_is_told_at_start(tmp_path):
    from hotmic_py import run

    (tmp_path / "file").write_text("")
    outcome = run("serve", "--port", "0", "--set", f"server.upload_dir={tmp_path}/file", home=tmp_path)
    assert outcome.code != 0 and "server.upload_dir" in outcome.err and f"{tmp_path}/file" in outcome.err


def test_without_the_usual_folder_uploads_stay_in_memory(fake, tmp_path):
    large = tmp_path / "large.wav"
    large.write_bytes(wav_head(4 << 20) + bytes(4 << 20))
    with fake(f"text={FAKE_TEXT}", env={"TMPDIR": "/proc"}) as server:
        server.wait_ready()
        assert "uploads stay in memory" in server.log()
        assert server.transcribe(large).status == 200


ON_SMALL_DISK = Path(hotmic_py.__file__).with_name("on_small_disk.py")
FULL_AT = 4 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a filesystem of 4 MiB for a server that runs under `small_disk.under`, and for nobody else; under `small_disk.filled`
    nothing is left of it. `small_disk.seen_by(server)` is the folder as it is there."""
    folder = tmp_path / "small"
    folder.mkdir()
    under = [sys.executable, ON_SMALL_DISK, folder, str(FULL_AT)]
    if subprocess.run([*under, "true"], check=False).returncode == 77:
        pytest.skip("NO FULL DISK: this machine allows no mounts of one's own; only a file that may not grow is tried")
    return SimpleNamespace(folder=folder, under=under, filled=[*under, "--fill"],
                           seen_by=lambda server: Path(f"/proc/{server.process.pid}/root{folder}"))


def free_bytes(folder):
    about = os.statvfs(folder)
    return about.f_bfree * about.f_bsize


def test_a_disk_that_is_really_full_is_told_and_nothing_is_left_on_it(small_disk, error_of, tmp_path):
    large = tmp_path / "large.wav"
    large.write_bytes(wav_head(2 * FULL_AT) + bytes(2 * FULL_AT))
    arguments = ["--provider", "fake", "--model", f"fake:text={FAKE_TEXT}", "--level", "0", "--set", f"server.upload_dir={small_disk.folder}/uploads"]
    with Server(*arguments, home=tmp_path, name="hotmic-faults", under=small_disk.under) as server:
        server.wait_ready()
        folder = small_disk.seen_by(server)
        before = free_bytes(folder)
        assert FULL_AT // 2 < before <= FULL_AT
        for _ in range(3):
            error = error_of(server.transcribe(large), 507, "disk_full")
            assert "uploads" in error["message"] and "server.upload_dir" in error["message"]
            assert list((folder / "uploads").iterdir()) == [] and metric(server, "hotmic_spooled_bytes") == 0
            until(lambda: free_bytes(folder) == before, "its room is given back")
            assert server.transcribe().json()["text"] == FAKE_TEXT
        middling = tmp_path / "middling.wav"  # goes by the disk, and has room there
        middling.write_bytes(wav_head(FULL_AT // 2) + bytes(range(1, 129)) * (FULL_AT // 256))
        assert server.transcribe(middling).status == 200
        assert server.stop() == 0


def test_a_home_without_room_stops_nothing(small_disk, tmp_path):
    """What the server itself keeps, as the usual latency of a model, is lost, and it says so."""
    arguments = ["--provider", "fake", "--model", f"fake:text={FAKE_TEXT}", "--level", "2", "--set", "models.*.warmup.validate=runs"]
    home = {"HOME": small_disk.folder / "home"}
    with Server(*arguments, home=tmp_path, name="hotmic-faults", under=small_disk.filled, env=home) as server:
        server.wait_ready()
        assert free_bytes(small_disk.seen_by(server)) == 0
        assert server.transcribe().json()["text"] == FAKE_TEXT
        assert server.request("/admin/models/default/unload", "POST", b"").status == 202
        until(lambda: server.request("/model-status").json()["health"]["state"] == "UNINITIALIZED", "it is unloaded")
        assert server.request("/admin/models/default/load", "POST", b"").status == 202
        server.until_ready()
        assert server.transcribe().json()["text"] == FAKE_TEXT
        assert server.stop() == 0
