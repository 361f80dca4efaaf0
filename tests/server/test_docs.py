"""docs/api.md is true: its commands work, its tables are complete. README's example is one that is compiled."""

import re
import shutil
import socket
import subprocess
import sys

import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, MULTILINGUAL_MODEL, PATIENCE, SOURCE, Server, numbers_clip, settings, speech_pcm

DOCS = (SOURCE / "docs/api.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Has the models that the commands name."""
    models = {"default": {"provider": "fake", "path": f"fake:text={FAKE_TEXT}", "warmup.level": 0}, "multilingual": {"path": MULTILINGUAL_MODEL}}
    # A model hub that never answers: what is asked of it stays under way, and nothing is downloaded.
    with socket.create_server(("127.0.0.1", 0)) as hub, \
            Server(*settings(**models), *numbers_clip("multilingual"), "--set", f"jobs.dir={tmp_path_factory.mktemp('jobs')}",
                   home=tmp_path_factory.mktemp("home"), name="hotmic-faults",
                   env={"HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}", "no_proxy": "127.0.0.1"}) as server:
        yield server.wait_ready("default", "multilingual")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works_as_it_is_written(ready, command):
    if shutil.which("curl") is None:
        pytest.skip("NOT TESTED: curl is not installed, so the commands of docs/api.md were not run")
    real = command.replace("http://127.0.0.1:8090", ready.url).replace("speech.wav", str(CLIP))
    assert real != command
    done = subprocess.run(["bash", "-c", real.replace("curl ", "curl --fail-with-body ", 1)], capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert done.stdout


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL))
def test_every_program_works_as_it_is_written(ready, tmp_path, program):
    pytest.importorskip("websockets", reason="NO WEBSOCKETS: apt install python3-websockets")
    (tmp_path / "speech.pcm").write_bytes(speech_pcm(16000))
    real = program.replace("127.0.0.1:8090", ready.url.removeprefix("http://"))
    assert real != program
    done = subprocess.run([sys.executable, "-c", real], cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert FAKE_TEXT in done.stdout.decode()


def test_the_table_of_endpoints_is_that_of_the_index(ready):
    told = set(re.findall(r"`((?:GET|POST|DELETE|WS) /\S*?)`", DOCS.split("## Transcriptions")[0]))
    assert told == set(ready.request("/").json()["endpoints"]) | {"GET /"}


def test_every_metric_is_documented_and_the_other_way_round(ready, fake, hotmic):
    assert ready.transcribe().status == 200
    texts = [ready.request("/metrics").text]
    key = hotmic("key", "app", "--expires", "1d", "--add", "keys.toml").out.strip()
    with fake("", "--set", "server.keys_file=keys.toml") as keyed:
        texts += [keyed.request("/metrics", headers={"Authorization": f"Bearer {key}"}).text for _ in range(2)]
    written = {name for text in texts for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}
    told = set(re.findall(r"`(hotmic_[a-z_]+)`", DOCS))
    assert told == written


def test_every_documented_error_has_its_status():
    table = (SOURCE / "src/asr/error.cpp").read_text()
    real = {name: status for name, status in re.findall(r'ErrorSpec\{\w+, "(\w+)", (\d+)', table)}
    rows = re.findall(r"^\| (\d{3}) \| ((?:`\w+`(?:, )?)+) \|", DOCS, re.MULTILINE)
    told = {name: status for status, names in rows for name in re.findall(r"\w+", names)}
    assert len(told) > 20
    assert {name: real.get(name) for name in told} == told


def test_readmes_example_of_the_library_is_the_one_that_the_packages_are_tried_with():
    assert f"```cpp\n{(SOURCE / 'examples/library/main.cpp').read_text()}```\n" in (SOURCE / "README.md").read_text()
