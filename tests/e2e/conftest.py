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
def german():
    """Flags for PocketSphinx as the default model and for a second one, "german": numbers in two languages."""
    models = {"default": {"provider": "pocketsphinx"}, "german": {"path": hotmic_py.MULTILINGUAL_MODEL, "slots": 1}}
    return hotmic_py.settings(**models) + hotmic_py.numbers_clip("german")


@pytest.fixture(scope="session")
def german_clip(tmp_path_factory):
    """In which "zweiundvierzig" is said."""
    return hotmic_py.say("zweiundvierzig", tmp_path_factory.mktemp("german") / "said.wav", hotmic_py.NEW_GERMAN_VOICES[0])


@pytest.fixture
def speech():
    if not hotmic_py.SPEECH.exists():
        pytest.skip(f"NO SPEECH: {hotmic_py.SPEECH} is absent, so real recordings are not tested here")
    return hotmic_py.SPEECH
