"""Media that people, recorders and attackers send, through a whole server."""

import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from hotmic_py import CLIP, PATIENCE, until

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"NO CASES: {CASES} is not there")
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="NO FFMPEG: apt install ffmpeg")


def made(path, *arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", str(CLIP), *arguments, str(path)], check=True)
    return path


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture
def endless(tmp_path):
    """40 MiB in which a parser looks for a page that never comes: 14 s of processor time where nobody stops it."""
    path = tmp_path / "endless.ogg"
    front = made(tmp_path / "a.ogg", "-c:a", "libopus").read_bytes()[:200]
    path.write_bytes(front + b"OggS" * (10 << 20))
    return path


@needs_cases
def test_raw_telephone_audio_is_told_what_it_is(ready, error_of):
    error = error_of(ready.transcribe(CASES / "call.ulaw"), 400, "audio_undecodable")
    assert "raw audio without a header" in error["message"] and "ffmpeg -f mulaw" in error["message"]


@needs_ffmpeg
def test_the_answer_says_which_of_several_tracks_was_heard(ready, tmp_path):
    two = made(tmp_path / "two.mkv", "-map", "0", "-map", "0", "-c:a", "aac", "-metadata:s:a:0", "language=fre",
               "-metadata:s:a:1", "language=eng")
    answer = ready.transcribe(two, language="en")
    assert answer.status == 200, answer.text
    assert lower(answer.headers)["x-hotmic-audio-track"] == "2 of 2, eng"
    assert "track 2 of 2" in ready.log()
    assert "x-hotmic-audio-track" not in lower(ready.transcribe().headers)


@needs_ffmpeg
def test_a_file_that_costs_more_than_it_gives_is_refused(fake, error_of, endless):
    with fake("", "--set", "server.decode_cpu_seconds=0.3", "--set", "server.decode_threads=1") as server:
        server.wait_ready()
        error = error_of(server.transcribe(endless), 422, "audio_too_costly")
        assert error["param"] == "file" and "0.0 s of audio" in error["message"]
        assert server.transcribe().status == 200


@needs_ffmpeg
def test_the_end_of_the_server_ends_what_is_being_decoded(fake, endless):
    """Were it not interrupted, the decoder's thread would hold the process for as long as its budget lasts."""
    with fake("", "--set", "server.decode_cpu_seconds=3600", "--set", "server.shutdown_timeout_ms=3000",
              "--set", "server.drain_delay_ms=0") as server:
        server.wait_ready()
        threading.Thread(target=lambda: ignore(lambda: server.transcribe(endless)), daemon=True).start()
        until(lambda: "hotmic_requests_in_flight 1" in server.request("/metrics").text, "the file is being decoded")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0


def ignore(call):
    try:
        call()
    except OSError:
        pass


@needs_ffmpeg
@pytest.mark.parametrize("source", ["anullsrc=r=16000:cl=mono", "anoisesrc=a=0.02:r=16000"])
def test_what_is_no_speech_is_no_text(ready, tmp_path, source):
    """The model would say the same of anything: it is not asked."""
    path = tmp_path / "nothing.wav"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", "12", str(path)], check=True)
    answer = ready.transcribe(path, response_format="verbose_json").json()
    assert answer["text"] == "" and answer["segments"] == []
    assert answer["language"] and answer["duration"] == pytest.approx(12, abs=0.1)


@needs_cases
def test_near_silence_has_no_words(ready):
    assert ready.transcribe(CASES / "silence20s-opus6k.ogg").json()["text"] == ""
