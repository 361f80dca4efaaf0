import hashlib
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import hotmic_py  # noqa: E402
from bad_web import BadWeb  # noqa: E402


@pytest.fixture
def home(tmp_path):
    """A user's home with nothing in it; also the working directory of what is run."""
    return tmp_path


@pytest.fixture
def web():
    with BadWeb() as server:
        yield server


@pytest.fixture
def models(home):
    return home / ".local/share/hotmic/models"


@pytest.fixture
def hotmic(home):
    """hotmic("pull", "mine") runs a command and returns its Outcome. Nothing of this machine's network settings reaches it."""
    return partial(hotmic_py.run, home=home, env={"no_proxy": "127.0.0.1,localhost", "HF_ENDPOINT": "http://127.0.0.1:1"})


@pytest.fixture
def catalogue(home):
    """catalogue(url, {"a.bin": b"…"}) writes a catalogue with the model `mine` and gives the flags that name it."""

    def write(*urls, files, known=True, name="mine", more=""):
        lines = [f'[{name}]\nkind = "whisper"\nmemory_mb = 1\n']
        for url in urls:
            lines.append(f'[[{name}.sources]]\nurl = "{url}"\nfiles = [')
            for file, data in files.items():
                digest = hashlib.sha256(data).hexdigest() if known else "unverified"
                size = f"size = {len(data)}, " if known else ""
                lines.append(f'  {{ name = "{file}", {size}digest = "{digest}" }},')
            lines.append("]")
        path = home / "catalogue.toml"
        path.write_text("\n".join(lines) + "\n" + more)
        return ["--set", f"catalogue={path}"]

    return write
