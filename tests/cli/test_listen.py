"""`hotmic listen`: what is being said, to text, as it is said."""

import json
import os
import pty
import signal
import subprocess
import threading

import pytest
from hotmic_py import CLIP, PATIENCE, environment, heard, program, speech_pcm

OWN = ["--provider", "pocketsphinx", "--level", "0"]


@pytest.fixture
def listening(tmp_path):
    """Starts the command with pipes to it; ends it."""
    begun = []

    def begin(*arguments, **how):
        process = subprocess.Popen([program("hotmic"), "listen", *OWN, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   **{"stderr": subprocess.PIPE} | how, cwd=tmp_path, env=environment(tmp_path))
        begun.append((process, threading.Timer(2 * PATIENCE, process.kill)))
        begun[-1][1].start()
        return process

    yield begin
    for process, timer in begun:
        timer.cancel()
        process.kill()
        process.wait()


def until(process, kind):
    """The next JSON line of that type, and the types before it."""
    before = []
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == kind:
            return event, before
        before.append(event["type"])
    raise AssertionError(f"no {kind} after {before}: {process.stderr.read().decode()}")


@pytest.mark.parametrize("form", [(16000, 1), (48000, 2)])
def test_piped_samples_become_lines(hotmic, form):
    done = hotmic("listen", *OWN, "-", "--rate", form[0], "--channels", form[1], stdin=speech_pcm(form[0], 1, form[1]))
    assert done.code == 0, done.err
    assert heard(done.out) > 0.6
    assert len(done.out.splitlines()) == 1
    assert done.err == ""


def test_what_comes_at_once_is_not_dropped(hotmic):
    done = hotmic("listen", *OWN, "-", "--json", stdin=speech_pcm(seconds=1) * 12)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert not [event for event in events if event["type"] == "dropped"]
    finals = [event for event in events if event["type"] == "final"]
    assert len(finals) == 12
    assert all(heard(final["text"]) > 0.5 for final in finals)
    assert [final["start"] for final in finals] == sorted(final["start"] for final in finals)


def test_partials_come_while_it_is_said(listening):
    process = listening("-", "--json")
    until(process, "model_ready")
    samples = speech_pcm()
    process.stdin.write(samples[:96000])  # three seconds; what follows waits until they have been told
    process.stdin.flush()
    partial, before = until(process, "partial")
    assert "speech_started" in before and "final" not in before
    assert partial["text"].startswith(partial["stable"])
    process.stdin.write(samples[96000:])
    process.stdin.close()
    final, _ = until(process, "final")
    assert final["utterance"] == partial["utterance"]
    assert heard(final["text"]) > 0.6
    until(process, "ended")
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_utterance_still_becomes_final(listening, stop):
    process = listening("-", "--json")
    process.stdin.write(speech_pcm()[:112000])  # ends within a word
    process.stdin.flush()
    until(process, "partial")
    process.send_signal(stop)
    final, _ = until(process, "final")
    assert heard(final["text"]) > 0.3
    assert process.wait(PATIENCE) == 0


def test_a_silent_microphone_is_listened_to_until_interrupted(listening):
    process = listening("--device", "null")
    assert b"Ctrl-C" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_a_microphone_that_is_not_there_is_said_to_be_missing(hotmic):
    done = hotmic("listen", *OWN, "--device", "no such thing")
    assert done.code == 1 if "no microphone can be used" in done.err else done.code == 3
    assert "microphone" in done.err.splitlines()[-1]


def test_files_are_for_transcribe(hotmic):
    done = hotmic("listen", CLIP)
    assert done.code == 2
    assert "hotmic transcribe" in done.err


def test_a_rate_that_cannot_be_is_refused(hotmic):
    done = hotmic("listen", *OWN, "-", "--rate", "7")
    assert done.code == 3
    assert "7" in done.err


def test_a_terminal_shows_what_is_being_said(listening):
    ours, theirs = pty.openpty()
    process = listening("-", stderr=theirs)
    os.close(theirs)
    process.stdin.write(speech_pcm()[:96000])
    process.stdin.flush()
    drawn = ""
    while heard(drawn) < 0.2:
        drawn += os.read(ours, 4096).decode(errors="replace")
    process.stdin.close()
    assert heard(process.stdout.read().decode()) > 0.2
    os.close(ours)
    assert process.wait(PATIENCE) == 0
