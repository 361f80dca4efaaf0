"""Models in ONNX as model hubs have them: found in another program's cache and used in place, or pulled by the repository's name."""

import os
import subprocess

import pytest
from hotmic_py import NUMBERS_MODEL, NUMBERS_TEXT, PATIENCE, SOURCE, SPEECH, program

CLIP = NUMBERS_MODEL.with_name("clip.wav")
REAL = SOURCE.parent / "shared/models/whisper/ggml-tiny.en.bin"


def onnx_folder(folder, *how, of=NUMBERS_MODEL):
    """The model's weights as ONNX files; tests/onnx/make_folder/main.cpp says how."""
    subprocess.run([program("hotmic_make_onnx_folder"), folder, of, *how], check=True, timeout=PATIENCE)
    return folder


def cached(home, repository, files):
    """A snapshot in the cache as huggingface_hub makes it, of links to what lies elsewhere; gives its path."""
    root = home / ".cache/huggingface/hub" / ("models--" + repository.replace("/", "--"))
    snapshot = root / "snapshots/abc"
    for number, (name, file) in enumerate(files.items()):
        blob = root / f"blobs/{number:040x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(file.read_bytes())
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))
    (root / "refs").mkdir()
    (root / "refs/main").write_text("abc")
    return snapshot


def as_on_a_hub(folder):
    """The same files where hubs have them: graphs in a folder of their own."""
    return {("onnx/" if each.suffix == ".onnx" else "") + each.name: each for each in folder.iterdir()}


def transcribed(hotmic, *arguments):
    done = hotmic("transcribe", "--provider", "onnx", *arguments, CLIP)
    assert done.code == 0, done.err
    return done.out.strip()


@pytest.mark.parametrize("how", [[], ["suffix=_fp16", "weights=f16"], ["suffix=_quantized", "weights=8-bit"]], ids=["f32", "f16", "8-bit"])
@pytest.mark.parametrize("repository,name", [("onnx-community/whisper-base.en", "base.en"), ("someone/whisper-of-theirs", "someone/whisper-of-theirs")])
def test_a_cache_of_hugging_face_is_used_in_place(hotmic, home, models, repository, name, how):
    snapshot = cached(home, repository, as_on_a_hub(onnx_folder(home / "made", *how)))
    before = sorted(home.joinpath(".cache/huggingface").rglob("*"))
    for called in {name, repository}:
        assert transcribed(hotmic, "--model", called) == NUMBERS_TEXT
    if name == "base.en":
        done = hotmic("pull", repository)
        assert done.code == 0 and done.out.strip() == f"base.en: is here already: {snapshot}", done.err
        listed = {each["name"]: each for each in hotmic("pull", "list", "--json").json()}
        assert (listed["base.en"]["state"], listed["base.en"]["path"]) == ("cached", str(snapshot))
        assert transcribed(hotmic) == NUMBERS_TEXT  # and with nothing named it is the one that is there
        assert hotmic("pull", "rm", "base.en").code == 3
    assert sorted(home.joinpath(".cache/huggingface").rglob("*")) == before and not list(models.glob("*-*"))


@pytest.mark.parametrize("missing", ["onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx", "tokenizer.json"])
def test_half_a_model_in_a_cache_is_none(hotmic, home, missing):
    files = as_on_a_hub(onnx_folder(home / "made"))
    del files[missing]
    cached(home, "onnx-community/whisper-base.en", files)
    listed = {each["name"]: each for each in hotmic("pull", "list", "--json").json()}
    assert listed["base.en"]["state"] == "available"


def test_what_is_named_by_its_repository_is_pulled_from_there(hotmic, home, web, models):
    folder = onnx_folder(home / "made")
    for name in ("config.json", "generation_config.json"):
        if not (folder / name).exists():
            (folder / name).write_text("{}")
    for name, file in as_on_a_hub(folder).items():
        web.files[f"/onnx-community/whisper-base.en/resolve/main/{name}"] = file.read_bytes()
    done = hotmic("pull", "onnx-community/whisper-base.en", env={"HF_ENDPOINT": web.url, "no_proxy": "127.0.0.1"})
    assert done.code == 0, done.err
    assert "trusted as it came" in done.err and "encoder_model.onnx" in done.err
    assert {asked.split("/resolve/")[0] for asked, _ in web.requests} == {"/onnx-community/whisper-base.en"}
    stored, = models.glob("base.en-*")
    assert {each.name for each in stored.iterdir()} == {"encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json", "config.json",
                                                        "generation_config.json", "hotmic-model.json"}
    assert transcribed(hotmic, "--model", "base.en") == transcribed(hotmic, "--model", "onnx-community/whisper-base.en") == NUMBERS_TEXT
    assert hotmic("pull", "verify", "base.en").code == 0
    # By the model's name it comes from whisper.cpp's repository first.
    web.requests.clear()
    assert hotmic("pull", "rm", "base.en").code == 0
    hotmic("pull", "base.en", env={"HF_ENDPOINT": web.url, "no_proxy": "127.0.0.1"})
    assert web.requests[0][0] == "/ggerganov/whisper.cpp/resolve/main/ggml-base.en.bin"


@pytest.mark.parametrize("layout", ["huggingface", "sherpa"])
def test_real_weights_in_each_layout_are_heard_with_like_the_file_they_were_made_of(hotmic, home, layout):
    if not REAL.exists():
        pytest.skip("NO REAL WEIGHTS: ../shared/models/whisper/ggml-tiny.en.bin is not there")
    folder = onnx_folder(home / "made", f"layout={layout}", of=REAL)
    assert "intact" in hotmic("inspect", folder).out
    speech = sorted(SPEECH.rglob("*.flac"))[:3] or [SOURCE / "src/audio/clip/hotmic-clip.flac"]
    texts = {}

    def hear(model):
        texts[model] = hotmic("transcribe", "--provider", "onnx", "--model", model, "--set", "models.*.language=en", *speech).out

    for each in (REAL, folder):
        hear(each)
    assert texts[REAL].strip() and texts[REAL] == texts[folder]
