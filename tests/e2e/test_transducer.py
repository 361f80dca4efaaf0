"""A real streaming transducer through the whole server: warmed with what it hears, files, and words while they are spoken."""

import csv
import json
import re
from pathlib import Path

import hotmic_py
import pytest
from test_speech import word_errors

SHARED = Path(__file__).resolve().parents[3] / "shared"
MODEL = SHARED / "models/zipformer-en"

pytestmark = pytest.mark.skipif(not MODEL.is_dir(), reason=f"NO WEIGHTS: {MODEL} is not there")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with hotmic_py.Server("--model", str(MODEL), home=tmp_path_factory.mktemp("home")) as server:
        yield server.wait_ready()


def plain(text):
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def test_it_is_ready_because_it_heard_the_clip(server):
    warmup = server.request("/model-status").json()["warmup"]
    assert warmup["complete"]
    assert warmup["word_error_rate"] < 0.2
    assert "READY TO BEGIN THE MEETING" in warmup["transcript"]


def test_it_is_recognized_by_its_folder(server, tmp_path):
    assert server.request("/model-status").json()["stats"]["provider"] == "onnx"
    inspected = json.loads(hotmic_py.run("inspect", "--json", MODEL, home=tmp_path).out)
    assert inspected["intact"] and inspected["provider"] == "onnx"
    assert inspected["model"]["kind"] == "streaming transducer zipformer2"
    assert inspected["model"]["languages"] == ["en"]


def test_a_folder_of_another_kind_is_named(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes().replace(b"zipformer2", b"zipformer9"))
    outcome = hotmic_py.run("inspect", "--json", folder, home=tmp_path)
    error = json.loads(outcome.out)["error"]
    assert outcome.code == 5
    assert error["code"] == "model_unsupported" and "zipformer9" in error["message"]


def test_recordings_are_heard(server, speech):
    with (speech / "manifest.tsv").open() as manifest:
        clips = [row for row in csv.DictReader(manifest, delimiter="\t") if row["language"] == "en"]
    wrong = words = 0
    for clip in clips:
        answer = server.transcribe(speech / clip["file"])
        assert answer.status == 200, answer.text
        wrong += word_errors(plain(clip["reference"]), plain(answer.json()["text"]))
        words += len(clip["reference"].split())
    print(f"{wrong} of {words} words are wrong")
    assert 100 * wrong / words < 13.5


def test_words_have_their_times(server, speech):
    answer = server.transcribe(speech / "jfk.wav", response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json()
    assert answer["language"] == "english"
    words = answer["words"]
    assert 0.2 < words[0]["start"] < 0.5 and 10 < words[-1]["end"] < 11
    assert all(one["end"] <= other["start"] + 1e-6 for one, other in zip(words, words[1:]))


def test_what_is_spoken_is_told_as_it_is_by_the_file(server, speech):
    whole = plain(server.transcribe(speech / "jfk.wav").json()["text"])
    with hotmic_py.Messages(server, "/v1/realtime?intent=transcription") as socket:
        socket.until("session.created")
        told = hotmic_py.play(socket, hotmic_py.speech_pcm(24000, 1, clip=speech / "jfk.wav"), 4800)
    text = " ".join(transcript for transcript, _ in told.values())
    assert word_errors(whole, plain(text)) <= 3, text


def test_hot_words_raise_names_and_make_none_up(server, speech):
    """What is said is in the manifest; without hot words the names come out as something that sounds alike."""
    names = "Abigail Claflin, Dashwood, Quilter, Firefox"
    others = "Lovelace, Babbage, Dijkstra, Copenhagen, Amsterdam, Kinshasa"
    said = {"pv-leopard-en.wav": "QUILTER", "ps-librivox-0870.wav": "DASHWOOD", "ami-ES2011a-hs0-40s.wav": "CLAFLIN", "cv-en_22058266.wav": "FIREFOX"}
    plain_, raised = [], []
    for clip, name in said.items():
        plain_.append(name in server.transcribe(speech / clip, beam_size="4").json()["text"])
        raised.append(name in server.transcribe(speech / clip, hotwords=f"{names}, {others}").json()["text"])
    print(f"{sum(plain_)} of {len(said)} names without hot words, {sum(raised)} with them")
    assert sum(raised) > sum(plain_)
    for clip in ("jfk.wav", "sonnet1.wav", "ls-clean-1089-134686-0000.wav"):
        heard = server.transcribe(speech / clip, hotwords=f"{names}, {others}").json()["text"].lower()
        assert not [name for name in f"{names}, {others}".lower().split(", ") if name in heard], heard


def test_hot_words_and_beams_that_make_no_sense_are_refused(server):
    refused = server.transcribe(hotwords="Ada:much")
    assert refused.status == 400 and "Ada:much" in refused.json()["error"]["message"]
    assert server.transcribe(beam_size="0").status == 400
    assert server.transcribe(beam_size="2.5").status == 400
    over = server.transcribe(beam_size="16").json()["error"]
    assert over["param"] == "beam_size" and "max_beam_size" in over["message"] + over.get("remedy", "")


def test_letters_and_phrases_are_the_models_settings(tmp_path, speech):
    settings = ["--set", "models.default.text_case=lower", "--set", "models.default.hotwords=quilter", "--set", "models.default.beam_size=4"]
    with hotmic_py.Server("--model", str(MODEL), *settings, home=tmp_path) as server:
        server.wait_ready()
        assert "quilter" in server.transcribe(speech / "pv-leopard-en.wav").json()["text"]
        text = server.transcribe(speech / "jfk.wav").json()["text"]
        assert text and text == text.lower()


def test_what_a_delta_told_is_what_is_said_in_the_end(server, speech):
    with hotmic_py.Messages(server, "/v1/realtime?intent=transcription") as socket:
        socket.until("session.created")
        sound = hotmic_py.speech_pcm(24000, 1, clip=speech / "ls-devclean-2412-153948-0000.wav")
        told = hotmic_py.play(socket, sound, 4800, pause=0.02)  # five times as fast as it is said
    for transcript, deltas in told.values():
        assert "".join(deltas) == transcript
    assert sum(len(deltas) for _, deltas in told.values()) > 10, "words come while they are spoken"


def test_its_streams_are_warmed_step_by_step(server):
    streams = server.request("/model-status").json()["warmup"]["streams"]
    assert streams["step_seconds"] == pytest.approx(0.32)
    assert streams["steps"] > 10 and 0 < streams["steady_ms"] <= streams["p95_ms"]
    assert bool(streams["shortfall"]) == (streams["p95_ms"] >= 320)
