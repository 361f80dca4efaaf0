"""`hotmic inspect` on what people hand it."""

from pathlib import Path

import pytest

SPHINX = Path("/usr/share/pocketsphinx/model/en-us")


def make_text(path):
    path.write_text("This is not a model.\n")


def make_empty(path):
    path.touch()


def make_folder(path):
    path.mkdir()


def make_nothing(path):
    del path


@pytest.mark.parametrize("make", [make_text, make_empty, make_folder, make_nothing])
def test_what_is_no_model_is_named_with_a_remedy(hotmic, home, make):
    path = home / "model.bin"
    make(path)
    done = hotmic("inspect", path)
    assert done.code == 5
    assert done.out == ""
    assert str(path) in done.err
    assert "; " in done.err  # message; remedy
    told = hotmic("inspect", "--json", path)
    assert told.code == 5
    assert told.json()["intact"] is False
    assert told.json()["error"]["code"].startswith("model_")
    assert told.json()["error"]["message"] in done.err


def test_an_unknown_provider_names_those_that_exist(hotmic):
    done = hotmic("inspect", "x.bin", "--provider", "telepathy")
    assert done.code == 7
    assert "telepathy" in done.err and "pocketsphinx" in done.err


@pytest.mark.skipif(not SPHINX.exists(), reason="the package pocketsphinx-en-us is not installed: NOT TESTED")
def test_an_intact_model_is_described_without_loading_it(hotmic):
    told = hotmic("inspect", "--json", SPHINX).json()
    assert told["intact"] is True
    assert told["provider"] == "pocketsphinx"
    on_disk = sum(file.stat().st_size for file in SPHINX.rglob("*") if file.is_file())
    assert 0.9 * on_disk < told["model"]["size_bytes"] <= on_disk  # all but what decoding has no use for
    assert told["memory_needed_bytes"] > told["model"]["size_bytes"] / 2
    table = hotmic("inspect", SPHINX)
    assert table.code == 0
    assert "intact" in table.out and told["model"]["kind"] in table.out
