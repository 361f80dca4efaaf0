import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The real program with the real default engine and no configuration, READY."""
    with hotmic_py.Server(home=tmp_path_factory.mktemp("home")) as running:
        yield running.wait_ready()


@pytest.fixture(scope="session")
def german(tmp_path_factory):
    """Flags for PocketSphinx as the default model and for a second one, "german": real decoding by whisper_cpp of weights that hear German "hello warm world" in everything and
    translate it as "translated words"."""
    path = hotmic_py.make_whisper_model(tmp_path_factory.mktemp("model") / "ggml-tiny.bin", "tiny-de")
    settings = {"default.provider": "pocketsphinx", "german.path": path, "german.slots": 1, "german.warmup.level": 0}
    return [flag for key, value in settings.items() for flag in ("--set", f"models.{key}={value}")]


@pytest.fixture
def speech():
    if not hotmic_py.SPEECH.exists():
        pytest.skip(f"NO SPEECH: {hotmic_py.SPEECH} is absent, so real recordings are not tested here")
    return hotmic_py.SPEECH
