"""server.vad_model: libwhisper's voice detector instead of WebRTC's. The model here is one for tests, which goes by loudness."""

import subprocess
import wave

import hotmic_py
import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, make_whisper_model


@pytest.fixture(scope="module")
def vad(tmp_path_factory):
    def make(kind):
        return make_whisper_model(tmp_path_factory.mktemp("vad") / f"{kind}.bin", kind)

    return make


@pytest.fixture(scope="module")
def hum(tmp_path_factory):
    """A hum, which the test's model takes for a voice, because it is loud, and WebRTC's detector does not."""
    path = tmp_path_factory.mktemp("hum") / "hum.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=f=180:d=8:r=16000", "-ac", "1", path], check=True)
    return path


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Speech at -54 dBFS."""
    path = tmp_path_factory.mktemp("quiet") / "quiet.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-i", CLIP, "-af", "volume=0.02", "-ar", "16000", "-ac", "1", path], check=True)
    return path


@pytest.mark.parametrize("fields", [{}, {"chunking_strategy[type]": "server_vad"}])
def test_files_are_cut_by_it(ready, fake, vad, hum, quiet, fields):
    if fields:  # a whole file is cut in long silence only, where there is no trained detector
        assert ready.transcribe(hum, **fields).json()["text"] == ""
    assert "no trained voice detector" in ready.log()
    with fake(f"text={FAKE_TEXT}", "--set", f"server.vad_model={vad('vad')}") as server:
        for file in (CLIP, quiet, hum):
            assert FAKE_TEXT in server.wait_ready().transcribe(file, **fields).json()["text"], file


def test_one_in_the_models_folder_is_found(home, vad):
    models = home / "models"
    models.mkdir()
    (models / "ggml-silero-v9.bin").write_bytes(vad("vad").read_bytes())
    done = hotmic_py.run("doctor", "--set", f"models_dir={models}", home=home)
    assert "ggml-silero-v9.bin tells speech from silence" in done.out
    without = hotmic_py.run("doctor", home=home)
    assert "no trained voice detector" in without.out


def test_live_streams_are_cut_by_it(home, vad, hum, quiet):
    def finals(file):
        with wave.open(str(file)) as speech:
            samples = speech.readframes(speech.getnframes())
        done = hotmic_py.run("listen", "--provider", "fake", "--model", f"fake:text={FAKE_TEXT}", "--level", "0", "--set",
                             f"server.vad_model={model}", "-", home=home, name="hotmic-faults", stdin=samples)
        assert done.code == 0, done.err
        return done.out

    model = vad("vad")
    loud = home / "loud.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-i", CLIP, "-ar", "16000", "-ac", "1", loud], check=True)
    assert FAKE_TEXT in finals(loud)
    assert FAKE_TEXT in finals(quiet) and FAKE_TEXT in finals(hum)


@pytest.mark.parametrize(("kind", "why"), [("crashing_vad", "signal 6"), ("deaf_vad", "0 % of speech"), (CLIP, "no VAD model")])
def test_a_file_that_is_no_good_is_refused_before_anything_is_loaded(home, vad, kind, why):
    path = kind if kind == CLIP else vad(kind)
    done = hotmic_py.run("serve", "--port", "0", "--set", f"server.vad_model={path}", home=home)
    assert done.code == 5
    last = done.err.splitlines()[-1]
    assert why in last and str(path) in last and "server.vad_model" in last
    assert "listening" not in done.out


def test_a_file_that_is_missing_is_named(home):
    done = hotmic_py.run("serve", "--port", "0", "--set", "server.vad_model=/no/such/vad.bin", home=home)
    assert done.code == 5 and "/no/such/vad.bin" in done.err
