"""What real Whisper hears with a trained voice detector before it: recordings as people make them, with pauses, silence, music."""

import difflib
import subprocess
import wave
from pathlib import Path

import hotmic_py
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
MODEL = SHARED / "models/whisper/ggml-base-q8_0.bin"
SILERO = SHARED / "models/silero/ggml-silero-v6.2.0.bin"

pytestmark = pytest.mark.skipif(not (MODEL.is_file() and SILERO.is_file()), reason=f"NO WEIGHTS: {MODEL} or {SILERO} is not there")

JFK = "what your country can do for you"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with hotmic_py.Server("--model", str(MODEL), "--level", "0", "--set", f"server.vad_model={SILERO}", "--set", "models.*.slots=1",
                          home=home) as server:
        yield server.wait_ready()


def pcm(part):
    """Samples of a clip, or so many seconds of silence."""
    if isinstance(part, (int, float)):
        return bytes(2 * int(16000 * part))
    name, *filters = part.split("|")
    return subprocess.run(["ffmpeg", "-v", "error", "-i", str(SHARED / "speech" / name), *(["-af", filters[0]] if filters else []), "-ar", "16000",
                           "-ac", "1", "-f", "s16le", "-"], capture_output=True, check=True).stdout


@pytest.fixture
def hear(server, tmp_path):
    def heard(*parts, **fields):
        path = tmp_path / "joined.wav"
        with wave.open(str(path), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes(b"".join(pcm(part) for part in parts))
        answer = server.transcribe(path, response_format="verbose_json", **fields)
        assert answer.status == 200, answer.text
        return answer.json()

    return heard


def plain(text):
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


def test_nothing_behind_a_pause_is_lost(hear):
    answer = hear(3, "lj-LJ002-0020.wav", 1, "jfk.wav", 8, "lj-LJ002-0020.wav", language="en")
    text = plain(answer["text"])
    phrase = plain(hear("lj-LJ002-0020.wav", language="en")["text"]).split()[:4]
    assert JFK in text
    assert text.count(" ".join(phrase)) == 2, text
    assert 2.5 < answer["segments"][0]["start"] < 4, "a cue begins with its speech"


@pytest.mark.parametrize(("clip", "language"), [("pv-leopard-de.wav", "german"), ("pv-leopard-es.wav", "spanish")])
def test_a_language_is_not_that_of_the_silence_before_it(hear, clip, language):
    answer = hear(35, clip)
    assert answer["language"] == language
    assert answer["segments"] and answer["segments"][0]["start"] > 34


@pytest.mark.parametrize("clip", ["none-trumpet.wav", "none-tone.wav", "none-noise2.wav", "none-nst-room.wav", "none-music-vibeace.wav"])
def test_what_is_no_speech_is_no_text(hear, clip):
    answer = hear(2, clip, 2)
    assert answer["text"] == "" and answer["segments"] == [] and answer["language"]


def test_quiet_speech_is_heard(hear):
    answer = hear(2, "jfk.wav|volume=-30dB", 2, language="en")
    assert "what your country can do for you ask what you can do for your country" in plain(answer["text"])


def test_dictation_that_ends_in_silence_ends_with_what_was_said(hear):
    answer = hear("jfk.wav", 22, language="en")
    assert plain(answer["text"]).strip().endswith("country")
    assert answer["segments"][-1]["end"] < 12


@pytest.fixture
def turns(tmp_path):
    """A call: one speaks on the left, then the other on the right, 30 dB below, then the first again."""
    path = tmp_path / "call.wav"
    one, other = pcm("jfk.wav"), pcm("lj-LJ002-0020.wav|volume=-30dB")
    left = one + bytes(len(other) + 64000) + one
    right = bytes(len(one) + 32000) + other + bytes(len(one) + 32000)
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, 16000, 0, "NONE", ""))
        out.writeframes(b"".join(left[at:at + 2] + right[at:at + 2] for at in range(0, len(left), 2)))
    return path


def test_both_sides_of_a_call_are_heard_though_one_is_far_quieter(server, hear, turns):
    quiet = set(plain(hear("lj-LJ002-0020.wav", language="en")["text"]).split())
    answer = server.transcribe(turns, response_format="verbose_json", channels="separate", language="en").json()
    segments = answer["segments"]
    assert [segment["start"] for segment in segments] == sorted(segment["start"] for segment in segments)
    turn = [channel for at, channel in enumerate(segment["channel"] for segment in segments) if at == 0 or channel != segments[at - 1]["channel"]]
    assert turn == [0, 1, 0], "in turns"
    said = {channel: plain("".join(segment["text"] for segment in segments if segment["channel"] == channel)) for channel in (0, 1)}
    assert said[0].count(JFK) == 2 and JFK not in said[1]
    assert len(quiet & set(said[1].split())) > 0.8 * len(quiet), said[1]


def cues_of(text):
    """(start, end, lines) of each cue of an srt file."""
    def seconds(stamp):
        hours, minutes, rest = stamp.replace(",", ".").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)

    for cue in text.strip().split("\n\n"):
        _, times, *lines = cue.split("\n")
        start, end = times.split(" --> ")
        yield seconds(start), seconds(end), lines


@pytest.mark.parametrize(("clip", "width"), [("jfk.wav", 42), ("lj-LJ002-0020.wav", 42), ("jfk.wav", 20)])
def test_cues_fit_on_a_screen_and_go_on_in_time(server, clip, width):
    fields = {} if width == 42 else {"max_line_width": str(width)}
    cues = list(cues_of(server.transcribe(SHARED / "speech" / clip, response_format="srt", language="en", **fields).text))
    before = 0
    for start, end, lines in cues:
        assert before <= start < end and 1 <= len(lines) <= 2 and max(map(len, lines)) <= width
        before = end
    words = server.transcribe(SHARED / "speech" / clip, response_format="verbose_json", language="en",
                              **{"timestamp_granularities[]": "word"}).json()["words"]
    assert len(" ".join(" ".join(lines) for *_, lines in cues).split()) == len(words)
    for start, _, lines in cues[1:]:
        nearest = min(words, key=lambda word: abs(word["start"] - start))
        assert abs(nearest["start"] - start) < 0.2, lines


def test_a_language_is_not_that_of_the_music_before_it(hear):
    answer = hear("none-music-vibeace.wav", "none-music-vibeace.wav", 1, "pv-leopard-pt.wav")
    assert answer["language"] == "portuguese"
    assert answer["segments"] and answer["segments"][0]["start"] > 38


def test_a_moment_of_sound_is_no_text(hear):
    assert hear("jfk.wav|atrim=0.40:0.52", language="en")["text"] == ""


def test_one_sentence_six_times_is_heard_six_times(hear):
    answer = hear(*["jfk.wav", 3] * 6, language="en", prompt="Speeches of presidents, inaugural addresses.")
    assert plain(answer["text"]).count(JFK) == 6


def test_how_probable_silence_was_is_of_this_request(hear):
    def silence_of(answer):
        return [round(segment["no_speech_prob"], 6) for segment in answer["segments"]]

    before = silence_of(hear("jfk.wav", 3, "jfk.wav", language="en"))
    hear("none-noise2.wav|volume=20dB", "none-trumpet.wav", "azure-weather.wav|volume=-30dB")
    assert silence_of(hear("jfk.wav", 3, "jfk.wav", language="en")) == before
    assert max(before) < 0.3


# --- while it is said ---

def live(server, *parts, language=None):
    """Plays it all at once to the Realtime API; the transcripts of what was said, and each one's deltas together."""
    with hotmic_py.Messages(server, "/v1/realtime?intent=transcription") as socket:
        socket.until("session.created")
        transcription = {"language": language} if language else {}
        audio = {"input": {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": transcription}}
        socket.send({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
        socket.until("session.updated")
        sound = subprocess.run(["ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-ar", "24000", "-f", "s16le", "-"],
                               input=b"".join(pcm(part) for part in parts), capture_output=True, check=True).stdout
        told = hotmic_py.play(socket, sound)
        for transcript, deltas in told.values():
            assert "".join(deltas) == transcript, "what was told is never taken back"
        return [transcript for transcript, _ in told.values() if transcript]


def alike(one, other):
    return difflib.SequenceMatcher(None, plain(one), plain(other), autojunk=False).ratio()


def test_each_of_three_languages_is_heard_as_its_file_is(server, hear):
    clips = ["pv-leopard-ja.wav", "pv-leopard-pt.wav", "pv-leopard-de.wav"]
    heard = "".join(live(server, *[part for clip in clips for part in (clip, 1.5)]))
    alone = "".join(hear(clip)["text"] for clip in clips)
    assert alike(heard, alone) > 0.8, heard


def test_a_moment_of_speech_is_in_the_language_that_was_spoken_before_it(server):
    """Its last parts are of a second or two, and sound as much like Portuguese."""
    heard = " ".join(live(server, "pv-leopard-es.wav", 1.5))
    assert "muy poca" in heard and "muito" not in heard


@pytest.mark.parametrize("level", [-40, -50])
def test_quiet_speech_is_heard_while_it_is_said(server, level):
    assert JFK in plain(" ".join(live(server, 2, f"jfk.wav|volume={level + 17}dB", 2, language="en")))


@pytest.mark.parametrize("clip", ["none-trumpet.wav", "none-tone.wav", "none-noise2.wav", "none-nst-room.wav", "none-music-vibeace.wav"])
def test_what_is_no_speech_is_no_text_while_it_is_heard(server, clip):
    assert live(server, 1, clip, 1) == []
