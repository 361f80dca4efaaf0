"""Which model suits this machine: measured, told in words, by the command and by a running server."""

import json
import re
import subprocess
from functools import partial

import pytest
from hotmic_py import SANITIZED, Server, environment, program

BY_THE_MACHINE = r"\d+ billion 8-bit operations a second"


def by_name(told):
    return {each["name"]: each for each in told["models"]}


def test_a_suggestion_is_measured_and_fits(hotmic):
    told = hotmic("pull", "--suggest", "--json").json()
    assert re.fullmatch(BY_THE_MACHINE, told["measured"]) and told["available_memory_bytes"] > 0
    models = by_name(told)
    assert 0 < models["tiny"]["seconds_per_minute"] < models["base"]["seconds_per_minute"] < models["large-v3"]["seconds_per_minute"]
    assert models[told["multilingual"]]["fits"] and told["english"].endswith((".en", ".en-q5_1"))
    for each in models.values():
        assert each["fits"] == (each["memory_bytes"] <= told["available_memory_bytes"]) and not (each["live"] and not each["fits"])
    words = hotmic("pull", "--suggest").out
    for wanted in ("of memory free", "For many languages take", "For English only take", "`hotmic pull "):
        assert wanted in words


@pytest.mark.skipif(SANITIZED, reason="A SANITIZER takes more addresses than any limit leaves")
def test_what_does_not_fit_into_memory_is_not_suggested(hotmic, home):
    limited = ["sh", "-c", 'ulimit -v 3000000; exec "$@"', "sh", program(), "pull", "--suggest"]
    run = partial(subprocess.run, cwd=home, env=environment(home), capture_output=True, text=True, check=True)
    told = json.loads(run([*limited, "--json"]).stdout)
    models = by_name(told)
    assert told["available_memory_bytes"] < 3_000_000_000
    assert models["tiny"]["fits"] and not models["large-v3"]["fits"] and not models["large-v3"]["live"]
    assert models[told["multilingual"]]["fits"]
    large, = (line for line in run(limited).stdout.splitlines() if line.split()[:1] == ["large-v3"])
    assert "needs more memory than is free" in large


@pytest.fixture
def serve(home):
    """serve("infer_ms=200", "--level", 2) is a server whose fake model the catalogue knows as `fake`, with 4 GFLOP for a second of audio."""
    (home / "c.toml").write_text('[fake]\nkind = "whisper"\ngflop_per_second = 4\nmemory_mb = 1\n[[fake.sources]]\nurl = "https://models.example"\n'
                                 'files = [{ name = "a.bin", digest = "unverified" }]\n')
    started = []

    def start(script, *flags):
        server = Server("--provider", "fake", "--model", f"fake:{script}", "--set", f"catalogue={home / 'c.toml'}", *flags, home=home, name="hotmic-faults")
        started.append(server)
        return server.__enter__()

    yield start
    for server in started:
        server.__exit__(None, None, None)


def test_a_server_forecasts_by_the_model_that_it_has_warmed_up(serve):
    server = serve("infer_ms=200", "--level", 2).wait_ready()
    warmup = server.request("/model-status").json()["warmup"]
    told = server.request("/suggestion").json()
    assert re.fullmatch(r"[\d.]+ s for [\d.]+ s of speech by the model fake", told["measured"])
    models = by_name(told)
    expected = 60 * warmup["steady_ms"] / 1000 / warmup["clip_seconds"]
    assert models["fake"]["seconds_per_minute"] == pytest.approx(expected)
    assert models["base"]["seconds_per_minute"] == pytest.approx(expected * 3.52 / 4)
    assert (models["fake"]["fits"], models["fake"]["live"]) == (True, True) and models["base"]["state"] == "available"


def test_without_such_a_model_the_machine_is_measured_once(serve):
    server = serve("hang=load")
    first = server.request("/suggestion").json()
    assert re.fullmatch(BY_THE_MACHINE, first["measured"]) and first["multilingual"]
    second = server.request("/suggestion").json()
    assert second["measured"] == first["measured"]
    assert [each["seconds_per_minute"] for each in second["models"]] == [each["seconds_per_minute"] for each in first["models"]]


def test_it_is_told_to_those_who_may_use_the_server(serve):
    server = serve("", "--level", 0, "--set", 'server.api_keys=["secret"]').wait_ready()
    assert server.request("/suggestion").json()["error"]["code"] == "unauthorized"
    assert server.request("/suggestion", headers={"Authorization": "Bearer secret"}).status == 200
