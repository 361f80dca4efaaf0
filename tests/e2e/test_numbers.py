"""The small model of our own through the whole server: real weights, real decoding, a transcript that is right or wrong. What is said is
synthesized on the spot by espeak-ng voices that the model never heard (models/numbers/README.md)."""

import json
import subprocess

import pytest

import hotmic_py
from hotmic_py import NEW_VOICES, NUMBERS, NUMBERS_MODEL, NUMBERS_TEXT, SOURCE, Messages, Server, say, speech_pcm

SENTENCES = ["forty two", "nine one one", "three hundred and sixty five", "stop", "march the fourth", "half past seven", "seven oh nine four"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(*NUMBERS, home=tmp_path_factory.mktemp("home")) as server:
        yield server.wait_ready()


def test_level_one_hears_what_is_said(server):
    warmup = server.request("/model-status").json()["warmup"]
    assert warmup["complete"]
    assert warmup["transcript"].strip() == NUMBERS_TEXT
    assert warmup["word_error_rate"] == 0


def test_it_is_a_whisper_model_like_any_other(server):
    health = server.request("/model-status").json()
    assert health["stats"]["provider"] == "whisper_cpp"
    inspected = hotmic_py.run("inspect", NUMBERS_MODEL, home=SOURCE).out
    assert "q5_0" in inspected


def test_numbers_are_heard(server, tmp_path):
    heard, said = [], []
    for voice in NEW_VOICES:
        for sentence in SENTENCES:
            answer = server.transcribe(say(sentence, tmp_path / "said.wav", voice))
            heard.append(answer.json()["text"].strip())
            said.append(sentence)
    wrong = [(one, other) for one, other in zip(said, heard) if one != other]
    assert len(wrong) <= len(said) // 10, wrong


def test_a_number_has_its_time(server, tmp_path):
    answer = server.transcribe(say("forty two", tmp_path / "said.wav"), response_format="verbose_json").json()
    [segment] = answer["segments"]
    seconds = float(subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", tmp_path / "said.spoken.wav"],
                                   capture_output=True, check=True, text=True).stdout)
    assert abs(segment["end"] - (0.2 + seconds)) < 0.5
    assert answer["language"] == "english"


@pytest.mark.parametrize("kind", ["mkv", "mp4", "ts"])
def test_a_video_whose_sound_begins_late_keeps_its_time(server, tmp_path, kind):
    """Relative to the earliest track, to the end of the longest."""
    said, video = say("forty two", tmp_path / "said.wav"), tmp_path / f"late.{kind}"
    subprocess.run(["ffmpeg", "-v", "error", "-itsoffset", "4.9", "-i", said, "-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=12",
                    "-map", "1", "-map", "0", "-c:v", "mpeg4", "-c:a", "aac", video], check=True)
    answer = server.transcribe(video, response_format="verbose_json").json()
    assert answer["text"].strip() == "forty two"
    assert answer["segments"][0]["start"] == pytest.approx(4.9 + 0.2, abs=0.4)
    assert answer["duration"] == pytest.approx(12, abs=0.4)


def test_silence_and_noise_have_no_text(server, tmp_path):
    sources = ["anullsrc=r=16000:cl=mono", "sine=f=440:r=16000"]
    sources += [f"anoisesrc=r=16000:a={loudness}:seed={seed}:c={colour}" for colour in ("pink", "brown", "white") for loudness in (0.01, 0.1)
                for seed in (1, 2, 3)]
    heard = {}
    for source in sources:
        path = tmp_path / "nothing.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "3", path], check=True)
        if text := server.transcribe(path).json()["text"].strip():
            heard[source] = text
    assert len(heard) <= len(sources) // 20, heard


def test_the_command_line_hears_a_voice_that_is_new_to_it(tmp_path):
    done = hotmic_py.run("transcribe", "--model", NUMBERS_MODEL, say("forty two", tmp_path / "said.wav", "en-us+f2"), home=tmp_path)
    assert done.out.strip() == "forty two"


def test_live(server, tmp_path):
    path = say("start", tmp_path / "one.wav")
    with Messages(server, "/ws/live-listener") as socket:
        socket.send({"type": "start", "session_id": "numbers"})
        socket.send(speech_pcm(seconds=1, clip=path))
        assert socket.until("asr_final")["text"] == "start"


def test_auto_never_takes_it_for_dictation(tmp_path):
    folder = tmp_path / ".local/share/hotmic/models"
    folder.mkdir(parents=True)
    (folder / NUMBERS_MODEL.name).symlink_to(NUMBERS_MODEL)
    with Server(home=tmp_path) as server:
        assert server.wait_for(r"^ *model default: (.*)").group(1).startswith("pocketsphinx")


def test_hotmic_warmup_sends_the_models_own_clip(tmp_path):
    done = hotmic_py.run("warmup", "--json", *NUMBERS, home=tmp_path)
    assert json.loads(done.out)["first_request"]["text"].strip() == NUMBERS_TEXT
