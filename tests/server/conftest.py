import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402

FAKE_TEXT = "the fake has spoken"


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def fake(home):
    """fake("infer_ms=50", "--set", …) is a server, not yet entered, whose model does as it is told (fake_provider.hpp)."""

    def make(script="", *arguments, **more):
        return hotmic_py.Server("--provider", "fake", "--model", f"fake:{script}", "--level", "0", *arguments, home=home,
                                name="hotmic-faults", **more)

    return make


@pytest.fixture
def hotmic(home):
    """hotmic("doctor") runs a command and returns its Outcome."""
    return partial(hotmic_py.run, home=home)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """One ready server for all tests of a file that leave it as they found it."""
    home = tmp_path_factory.mktemp("home")
    with hotmic_py.Server("--provider", "fake", "--model", f"fake:text={FAKE_TEXT}", "--level", "0", home=home,
                          name="hotmic-faults") as server:
        yield server.wait_ready()


@pytest.fixture
def error_of():
    """error_of(answer, status, code): checks the shape of OpenAI's error object and returns it."""

    def check(answer, status, code):
        assert answer.status == status, answer.text
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["content-type"] == "application/json"
        assert headers["x-request-id"]
        body = answer.json()
        assert set(body) == {"error"}
        error = body["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == code == headers["x-hotmic-error"]
        return error

    return check


@pytest.fixture
def folder(tmp_path):
    """Where jobs are kept."""
    return tmp_path / "jobs"


@pytest.fixture
def keeping(fake, folder):
    """keeping("infer_ms=50", max_jobs=2) is a server that keeps jobs, not yet entered."""

    def make(script=f"text={FAKE_TEXT}", *arguments, **keys):
        return fake(script, *[flag for key, value in ({"dir": folder} | keys).items() for flag in ("--set", f"jobs.{key}={value}")], *arguments)

    return make
