"""An hour of real speech, end to end: as mp3, in one request, to Whisper tiny.en on ONNX Runtime. It takes a minute of two cores, so only where
HOTMIC_TEST_LONG=1 asks for it. (Four hours with an engine that takes no time: tests/asr/long_audio_test.cpp.)"""

import csv
import os
import re
import subprocess

import pytest
from hotmic_py import SOURCE, Server

MODEL = SOURCE.parent / "shared/models/whisper/ggml-tiny.en.bin"
SECONDS = float(os.environ.get("HOTMIC_TEST_LONG_SECONDS", "3600"))
GAP = 0.5

pytestmark = [
    pytest.mark.skipif(os.environ.get("HOTMIC_TEST_LONG", "0") == "0", reason="NOT ASKED FOR: HOTMIC_TEST_LONG=1 tries an hour"),
    pytest.mark.skipif(not MODEL.exists(), reason=f"NO MODEL: {MODEL} is absent, so an hour of speech is not tried"),
]


def words(text):
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()


@pytest.fixture
def hour(speech, tmp_path):
    """English clips one after the other, again and again: the file, its length, and what is said in it."""
    with (speech / "manifest.tsv").open() as manifest:
        clips = [row for row in csv.DictReader(manifest, delimiter="\t") if row["language"] == "en"]
    inputs = [argument for clip in clips for argument in ("-i", speech / clip["file"])]
    joined = "".join(f"[{i}]aformat=sample_rates=16000:channel_layouts=mono,apad=pad_dur={GAP}[a{i}];" for i in range(len(clips)))
    joined += "".join(f"[a{i}]" for i in range(len(clips))) + f"concat=n={len(clips)}:v=0:a=1"
    once, path = tmp_path / "once.wav", tmp_path / "hour.mp3"
    subprocess.run(["ffmpeg", "-v", "error", *inputs, "-filter_complex", joined, once], check=True)
    length = (once.stat().st_size - 44) / 32000
    times = max(1, round(SECONDS / length))
    subprocess.run(["ffmpeg", "-v", "error", "-stream_loop", str(times - 1), "-i", once, "-b:a", "48k", path], check=True)
    return path, times * length, times * [word for clip in clips for word in words(clip["reference"])]


def test_an_hour_of_real_speech(hour, tmp_path):
    path, length, said = hour
    with Server("--model", MODEL, "--provider", "onnx", "--set", "server.idle_timeout_ms=5000", home=tmp_path) as server:
        server.wait_ready()
        answer = server.transcribe(path, response_format="verbose_json")
        assert answer.status == 200, answer.text
        told = answer.json()
        assert abs(told["duration"] - length) < 1
        segments = told["segments"]
        assert all(one["start"] <= other["start"] for one, other in zip(segments, segments[1:]))
        assert all(0 <= each["start"] <= each["end"] <= length + 1 for each in segments)
        last, longest = 0.0, 0.0
        for each in segments:
            longest, last = max(longest, each["start"] - last), max(last, each["end"])
        assert longest < 60 and length - last < 60, "no minute of it was passed over"
        heard = words(told["text"])
        assert 0.8 * len(said) < len(heard) < 1.2 * len(said), (len(said), len(heard))
        assert server.transcribe().status == 200
        print(f"{length:.0f} s of audio, {len(said)} words, {len(heard)} heard, {len(segments)} segments")
