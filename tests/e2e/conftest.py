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


@pytest.fixture
def speech():
    if not hotmic_py.SPEECH.exists():
        pytest.skip(f"NO SPEECH: {hotmic_py.SPEECH} is absent, so real recordings are not tested here")
    return hotmic_py.SPEECH
