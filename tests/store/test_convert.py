"""`hotmic convert`: what is written is heard with like what it was made of, by both engines."""

import os
from pathlib import Path

import pytest
from hotmic_py import CLIP, NUMBERS_MODEL, NUMBERS_TEXT, heard


@pytest.mark.parametrize("provider", ["whisper_cpp", "onnx"])
def test_a_converted_model_hears_the_same(hotmic, home, provider):
    done = hotmic("convert", NUMBERS_MODEL, home / "made.bin")
    assert done.code == 0, done.err
    told = hotmic("inspect", "--json", home / "made.bin").json()
    assert told["intact"] and told["model"]["quantization"] == "f16"
    heard = hotmic("transcribe", "--provider", provider, "--model", home / "made.bin", NUMBERS_MODEL.with_name("clip.wav"))
    assert heard.out.strip() == NUMBERS_TEXT, heard.err


def test_what_is_no_model_and_where_nothing_can_be_written_is_told(hotmic, home):
    (home / "x.bin").write_bytes(b"no model")
    assert hotmic("convert", home / "x.bin", home / "y.bin").code == 5
    done = hotmic("convert", NUMBERS_MODEL, home / "missing/y.bin")
    assert done.code != 0 and "cannot be written" in done.err
    assert [each.name for each in home.iterdir() if each.name.startswith("y.bin")] == []


def test_a_real_folder_of_faster_whisper_and_the_file_made_of_it_hear_the_same(hotmic, home):
    folder = Path(os.environ.get("HOTMIC_TEST_CT2_FOLDER", ""))
    if not (folder / "model.bin").exists():
        pytest.skip("HOTMIC_TEST_CT2_FOLDER names no folder of faster-whisper, such as Systran/faster-whisper-base")
    assert hotmic("convert", folder, home / "made.bin").code == 0
    texts = [hotmic("transcribe", "--provider", provider, "--model", model, CLIP) for provider, model in
             [("onnx", folder), ("onnx", home / "made.bin"), ("whisper_cpp", home / "made.bin")]]
    assert [heard(each.out) for each in texts] == [1, 1, 1], [each.out + each.err for each in texts]
    assert texts[0].out == texts[1].out
