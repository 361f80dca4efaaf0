import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402


NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "network")


@pytest.fixture(scope="session")
def npm(tmp_path_factory):
    """A folder with the programs of npm/ and the packages they need."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"NO {tool.upper()}: apt install nodejs npm")
    folder = tmp_path_factory.mktemp("npm")
    shutil.copytree(Path(__file__).parent / "npm", folder, dirs_exist_ok=True)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("THE NPM REGISTRY CANNOT BE REACHED; clients in JavaScript are not tried")
    assert done.returncode == 0, done.stderr
    return folder


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
