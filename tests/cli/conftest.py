import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402


@pytest.fixture
def home(tmp_path):
    """A user's home with nothing in it; also the working directory of what is run."""
    return tmp_path


@pytest.fixture
def hotmic(home):
    """hotmic("inspect", file) runs a command and returns its Outcome."""
    return partial(hotmic_py.run, home=home)
