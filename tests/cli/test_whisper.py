"""Model files in Whisper's format: picked by themselves, inspected, and refused when they are damaged."""

import pytest
from hotmic_py import CLIP, Server, make_whisper_model

DAMAGES = ["cut_in_last_tensor", "ends_after_vocabulary", "million_layers", "bad_tensor_type", "endless_token"]


@pytest.fixture
def models(home):
    """The folder in which models are looked for."""
    return home / ".local/share/hotmic/models"


def test_the_largest_intact_model_is_picked_and_the_rest_is_accounted_for(hotmic, models):
    make_whisper_model(models / "ggml-small-one.bin", "tiny.en")
    make_whisper_model(models / "ggml-large-one.bin", "base.en")
    make_whisper_model(models / "ggml-broken.bin", "cut_in_last_tensor")
    make_whisper_model(models / "hotmic-numbers.bin", "base.en")
    (models / "README").write_text("not a model")
    told = hotmic("warmup", "--json", "--level", "0").json()
    assert told["provider"] == "onnx"
    assert told["path"].endswith("ggml-large-one.bin")
    assert "largest of 2 models" in told["chosen_because"]
    looked = hotmic("doctor", "--port", "0", "--json").json()
    passed_over = [each["detail"] for each in looked["findings"] if each["what"] == "model passed over"]
    assert any("ggml-broken.bin" in detail for detail in passed_over)
    assert not any("hotmic-numbers" in detail for detail in passed_over)


def test_a_path_decides_the_provider(hotmic, home):
    model = make_whisper_model(home / "m.bin", "tiny.en")
    done = hotmic("transcribe", "--model", model, CLIP)
    assert (done.code, done.out.strip()) == (0, "hello warm world")


def test_an_intact_file_is_described(hotmic, home):
    model = make_whisper_model(home / "m.bin", "tiny")
    told = hotmic("inspect", "--json", model).json()
    assert told["intact"] is True and told["provider"] == "onnx"
    assert told["model"]["size_bytes"] == model.stat().st_size
    assert told["model"]["multilingual"] is True and len(told["model"]["languages"]) > 90
    assert told["model"]["tensors"] > 100
    assert told["memory_needed_bytes"] > model.stat().st_size
    table = hotmic("inspect", model).out
    for row in ("kind", "quantization", "tensors", "languages", "memory"):
        assert f"\n{row}" in table


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_every_command(hotmic, home, damage):
    model = make_whisper_model(home / "m.bin", damage)
    for command in (["inspect", model], ["transcribe", "--model", model, CLIP], ["warmup", "--model", model]):
        done = hotmic(*command)
        assert done.code == 5, command
        assert "m.bin" in done.err
    assert hotmic("inspect", "--json", model).json()["intact"] is False


def test_weights_that_are_no_numbers_never_become_ready(hotmic, home):
    model = make_whisper_model(home / "m.bin", "random_weights")
    done = hotmic("warmup", "--model", model, "--level", "1")
    assert done.code == 5
    assert "→ ERROR" in done.out and "READY" not in done.out


def test_a_wrong_digest_is_told_with_both(hotmic, home):
    model = make_whisper_model(home / "m.bin", "tiny.en")
    done = hotmic("transcribe", "--model", model, "--set", "models.default.sha256=" + "0" * 64, CLIP)
    assert done.code == 5
    assert "0" * 16 in done.err


def test_a_missing_file_is_told_to_probes_while_the_server_stays_up(home):
    with Server("--model", home / "later.bin", home=home) as server:
        server.wait_for("→ ERROR")
        assert "later.bin" in server.request("/readyz").text
        assert server.stop() == 0
