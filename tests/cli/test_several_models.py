"""One server, several models: chosen by name, told apart, and independent of each other."""

import re

import pytest
from hotmic_py import CLIP, Server, run, settings


def fakes(**models):
    """Flags that make these fake models."""
    return settings(**{name: {"provider": "fake"} | keys for name, keys in models.items()})


def several(home, *arguments, **models):
    checks = settings(**{name: {"warmup.validate": "runs"} for name in models})  # it says its own text
    return Server(*fakes(**models), *checks, *arguments, home=home, name="hotmic-faults")


def test_each_is_asked_for_by_its_name_or_alias_and_the_default_by_none(home):
    with several(home, "-M", "b", a={"path": "fake:text=from a"}, b={"path": "fake:text=from b", "aliases": "bee"}) as server:
        for name in "ab":
            server.wait_for(rf"^ +\d+\.\d{{3}} s  {name}: WARMING_UP → READY")
        text = lambda **fields: server.transcribe(**fields).json()["text"]
        assert text(model="a") == "from a"
        assert text(model="b") == text(model="bee") == text() == "from b"
        unknown = server.transcribe(model="c")
        assert unknown.status == 404 and "a" in unknown.text and "bee" in unknown.text
        assert server.stop() == 0
        # Which model is which is told before anything loads.
        assert [line.split(":")[0] for line in server.lines[1:3]] == ["model b", "model a"]
        assert server.workers_left() == []


def test_one_that_fails_leaves_the_others_serving_and_only_a_required_one_holds_readiness_back(home):
    broken = {"path": "fake:corrupt=1"}
    for required, status in (("false", 200), ("true", 503)):
        with several(home, default={"path": "fake:text=hi"}, broken=broken | {"required": required}) as server:
            server.wait_for("broken: .* → ERROR")
            server.wait_for("default: .* → READY")
            assert server.transcribe(model="default").json()["text"] == "hi"
            assert server.transcribe(model="broken").status == 503
            assert server.request("/readyz").status == status
            assert server.stop() == 0


def test_one_that_loads_on_demand_waits_to_be_asked(home):
    with several(home, default={"path": "fake:text=hi"}, later={"path": "fake:text=late", "load": "demand"}) as server:
        server.wait_for("default: .* → READY")
        assert server.transcribe().json()["text"] == "hi"
        assert not any("later: UNINITIALIZED → LOADING" in line for line in server.lines)
        assert server.stop() == 0


def test_an_optional_model_that_nothing_can_be_chosen_for_is_there_to_say_why(home):
    with several(home, default={"path": "fake:text=hi"},
                 other={"provider": "whisper_cpp", "required": "false"}) as server:
        server.wait_for("default: .* → READY")
        server.wait_for("other: .* → ERROR")
        assert server.wait_for(r"^model other: .*nothing could be chosen: .*no model was found")
        assert server.request("/readyz").status == 200
        refused = server.transcribe(model="other")
        assert refused.status == 503 and "no model was found" in refused.text
        assert server.stop() == 0


def test_a_required_model_that_nothing_can_be_chosen_for_ends_the_start(home):
    done = run("serve", "--port", "0", *fakes(default={"path": "fake:"}, other={"provider": "whisper_cpp"}), home=home,
               name="hotmic-faults")
    assert done.code == 5
    assert "model other: no model was found" in done.err and "→" not in done.out, "no model is begun"
    done = run("serve", "--port", "0", *fakes(default={"path": "fake:"}, other={"provider": "telepathy", "required": "false"}),
               home=home, name="hotmic-faults")
    assert done.code == 7 and "model other" in done.err and "telepathy" in done.err


@pytest.mark.parametrize("command", [["transcribe", CLIP], ["warmup", "--json", "--level", "1", "--set", "models.*.warmup.validate=runs"]])
def test_commands_without_a_server_are_about_the_model_that_is_named(home, command):
    models = settings(a={"path": "fake:text=from a"}, b={"path": "fake:text=from b"})
    told = [run(*command, *models, "--model-name", name, home=home, name="hotmic-faults") for name in "ab"]
    for name, done in zip("ab", told):
        assert done.code == 0, done.err
        assert f"from {name}" in done.out
    assert run(*command, *models, home=home, name="hotmic-faults").code == 7


def test_doctor_looks_at_every_model(home):
    models = settings(default={"path": "fake:"}, b={"path": "fake:corrupt=1"})
    done = run("doctor", *models, "--port", "0", home=home, name="hotmic-faults")
    assert done.code == 5
    assert re.search("✓ model default", done.out) and re.search("✗ model b", done.out)
