"""The live page in a real headless Chromium whose microphone is a WAV file."""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402


def chromium(profile, **options):
    """A fresh browser as a context manager; see browser.py. Skips where there is none."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("NO CHROMIUM: apt install chromium chromium-driver, so the page is not tried here")
    pytest.importorskip("selenium", reason="NO SELENIUM: apt install python3-selenium, so the page is not tried here")
    import browser

    return browser.chromium(profile, **options)


@pytest.fixture
def browse(tmp_path):
    """browse(microphone=…, again=…, size=…, dark=…) is a fresh browser; it ends with the test."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(chromium(tmp_path / "profile", **options))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """One browser for tests that need nothing special and leave nothing behind."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def fake(tmp_path):
    """fake("infer_ms=50", "--set", …) is a server, not yet entered, whose model does as it is told (fake_provider.hpp)."""

    def make(script="", *arguments, level=0, name="hotmic-faults"):
        (tmp_path / "home").mkdir(exist_ok=True)
        return hotmic_py.Server("--provider", "fake", "--model", f"fake:{script}", "--level", level, *arguments, home=tmp_path / "home", name=name)

    return make


@pytest.fixture
def on_one_port(tmp_path):
    """The name of a program that is hotmic-faults, and takes the same port each time where the helper asks for any."""
    port = hotmic_py.free_port()
    script = tmp_path / "hotmic-on-one-port"
    script.write_text(f'#!/bin/sh\nshift 3  # serve --port 0\nexec "{hotmic_py.program("hotmic-faults")}" serve --port {port} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A READY server that understands spoken numbers."""
    with hotmic_py.Server(*hotmic_py.NUMBERS, home=tmp_path_factory.mktemp("home")) as server:
        yield server.wait_ready()


@pytest.fixture
def say(tmp_path):
    """say("forty two", "stop") is a WAV file in which that is said, with pauses."""

    def make(*sentences, before=1.0, after=1.5, name="said.wav"):
        parts = []
        for index, sentence in enumerate(sentences):
            part = tmp_path / f"part{index}.wav"
            subprocess.run(["espeak-ng", "-v", "en-us+m3", "-w", part, sentence], check=True)
            parts += ["-i", part]
        filters = "".join(f"[{index}]adelay={int(before * 1000)}:all=1,apad=pad_dur={after}[p{index}];" for index in range(len(sentences)))
        filters += "".join(f"[p{index}]" for index in range(len(sentences))) + f"concat=n={len(sentences)}:v=0:a=1"
        subprocess.run(["ffmpeg", "-v", "error", "-y", *parts, "-filter_complex", filters, "-ar", "48000", "-ac", "1", tmp_path / name], check=True)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def sentence(tmp_path_factory):
    """The built-in clip, five seconds of speech, as a WAV file for the microphone."""
    path = tmp_path_factory.mktemp("speech") / "clip.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-i", hotmic_py.CLIP, "-af", "adelay=500:all=1,apad=pad_dur=1.5", "-ar", "48000", "-ac", "1", path], check=True)
    return path
