"""The official OpenAI client, unmodified, pointed here."""

import itertools
import wave

import pytest

import hotmic_py
from hotmic_py import CLIP, CLIP_TEXT, speech_pcm

openai = pytest.importorskip("openai", reason="NO OPENAI CLIENT: apt install python3-openai")


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def errors(said, heard):
    """Share of the words said that were not heard."""
    words = [word.strip(".,").lower() for word in said.split()]
    heard = [word.strip(".,").lower() for word in heard.split()]
    return sum(word not in heard for word in words) / len(words)


def test_json(client):
    answer = client.audio.transcriptions.create(model="whisper-1", file=CLIP)
    assert errors(CLIP_TEXT, answer.text) < 0.3
    assert answer.usage.type == "duration" and answer.usage.seconds == 5


def test_text(client):
    assert errors(CLIP_TEXT, client.audio.transcriptions.create(model="default", file=CLIP, response_format="text")) < 0.3


def test_srt_and_vtt(client):
    assert client.audio.transcriptions.create(model="default", file=CLIP, response_format="srt").startswith("1\n00:00:0")
    assert client.audio.transcriptions.create(model="default", file=CLIP, response_format="vtt").startswith("WEBVTT\n\n")


def test_verbose_json_with_words_and_segments(client):
    answer = client.audio.transcriptions.create(model="default", file=CLIP, response_format="verbose_json", language="en", temperature=0,
                                                timestamp_granularities=["word", "segment"])
    assert answer.language == "english"
    assert 4 < float(answer.duration) < 6
    assert [segment.id for segment in answer.segments] == list(range(len(answer.segments)))
    assert " ".join(word.word for word in answer.words) == answer.text
    assert all(word.end >= word.start for word in answer.words)


def test_streamed(client):
    events = list(client.audio.transcriptions.create(model="whisper-1", file=CLIP, stream=True))
    assert [event.type for event in events[:1] + events[-1:]] == ["transcript.text.delta", "transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert errors(CLIP_TEXT, events[-1].text) < 0.3


def test_a_recording_is_cut_where_somebody_speaks(client, tmp_path):
    path = tmp_path / "twice.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 16000 * 5) + speech_pcm(seconds=8) * 2)
    answer = client.audio.transcriptions.create(model="default", file=path, response_format="verbose_json", timestamp_granularities=["word"],
                                                chunking_strategy={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 900})
    words = list(answer.words)
    assert errors(CLIP_TEXT, answer.text) < 0.3
    assert 4.9 < words[0].start < 6 and float(answer.duration) > 30
    [pause] = [after.start - before.end for before, after in itertools.pairwise(words) if after.start - before.end > 3]
    assert abs(pause - 8) < 1
    silent = tmp_path / "silent.wav"
    with wave.open(str(silent), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 16000 * 5))
    assert client.audio.transcriptions.create(model="default", file=silent, chunking_strategy={"type": "server_vad"}).text == ""
    with pytest.raises(openai.BadRequestError, match="threshold"):
        client.audio.transcriptions.create(model="default", file=CLIP, chunking_strategy={"type": "server_vad", "threshold": 2})


def test_logprobs(client):
    answer = client.audio.transcriptions.create(model="whisper-1", file=CLIP, include=["logprobs"], response_format="json")
    assert "".join(each.token for each in answer.logprobs) == answer.text
    assert all(each.logprob <= 0 and bytes(int(byte) for byte in each.bytes).decode() == each.token for each in answer.logprobs)


def test_translations(german, german_clip, tmp_path):
    with hotmic_py.Server(*german, home=tmp_path) as server:
        server.wait_ready("default", "german")
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        translate = lambda **fields: client.audio.translations.create(model="german", file=german_clip, **fields)
        assert translate().text == "forty two"
        assert translate(response_format="text").strip() == "forty two"
        assert "forty two" in translate(response_format="srt") and "forty two" in translate(response_format="vtt")
        told = translate(response_format="verbose_json")
        assert told.language == "english" and told.text == "forty two" and told.segments
        written = client.audio.transcriptions.create(model="german", file=german_clip, response_format="verbose_json")
        assert written.language == "german" and written.text == "zweiundvierzig"
        with pytest.raises(openai.BadRequestError, match="translate"):
            client.audio.translations.create(model="default", file=german_clip)


def test_models(client):
    assert [model.id for model in client.models.list()] == ["default"]
    assert client.models.retrieve("whisper-1").id == "default"


@pytest.mark.parametrize("exception, fields", [
    ("NotFoundError", {"model": "gpt-17"}),
    ("BadRequestError", {"model": "default", "response_format": "yaml"}),
    ("BadRequestError", {"model": "default", "language": "klingon"}),
    ("BadRequestError", {"model": "default", "file": ("empty.wav", b"")}),
    ("BadRequestError", {"model": "default", "file": ("letter.txt", b"Dear aunt, this is no recording.")}),
])
def test_errors_become_the_clients_own_exceptions(client, exception, fields):
    with pytest.raises(getattr(openai, exception)) as raised:
        client.audio.transcriptions.create(**({"file": CLIP} | fields))
    assert raised.value.body["code"]
    assert raised.value.body["message"]


def test_a_model_that_is_not_ready_is_a_server_error_with_its_reason(tmp_path):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:hang=load", home=tmp_path, name="hotmic-faults") as loading:
        client = openai.OpenAI(base_url=loading.url + "/v1", api_key="none", max_retries=0)
        with pytest.raises(openai.InternalServerError) as raised:
            client.audio.transcriptions.create(model="default", file=CLIP)
        assert raised.value.status_code == 503
        assert raised.value.body["code"] == "model_not_loaded"
        assert int(raised.value.response.headers["retry-after"]) >= 1
