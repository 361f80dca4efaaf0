"""The official `openai` package of npm, unmodified, in Node, over TLS: what it makes of our answers, streams, errors and live sessions."""

import json
import os
import subprocess

import pytest

from certificates import self_signed
from hotmic_py import CLIP, PATIENCE, Server, heard, speech_pcm


@pytest.fixture(scope="module")
def got(npm, german, german_clip, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    pcm = home / "speech.pcm"
    pcm.write_bytes(speech_pcm(24000) + bytes(48000))
    certificate, key = self_signed(home, "-addext", "subjectAltName=DNS:localhost")
    secure = ("--set", f"server.tls_certificate={certificate}", "--set", f"server.tls_key={key}")
    with Server("--set", "server.api_keys=secret", *secure, *german, home=home) as server:
        server.wait_ready("default", "german")
        url = server.url.replace("127.0.0.1", "localhost") + "/v1"
        done = subprocess.run(["node", "client.mjs", url, CLIP, german_clip, pcm, "secret"], cwd=npm, env=os.environ | {"NODE_EXTRA_CA_CERTS": str(certificate)},
                              capture_output=True, text=True, timeout=6 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_models(got):
    assert "default" in [model["id"] for model in got["models"]]
    assert got["model"] == got["models"][0]
    assert got["model"]["object"] == "model"


def test_every_format(got):
    assert heard(got["json"]["text"]) > 0.7
    assert got["text"].strip() == got["json"]["text"].strip()
    assert got["srt"].startswith("1\n00:00:0")
    assert got["vtt"].startswith("WEBVTT\n\n")
    assert got["verbose_json"]["language"] == "english"
    assert len(got["verbose_json"]["segments"]) >= 1
    assert " ".join(word["word"] for word in got["words"]["words"]) == got["words"]["text"]
    assert got["logprobs"]["logprobs"]


def test_translations(got):
    assert got["translated"]["text"] == got["translated_verbose"]["text"] == "forty two"
    assert got["translated_verbose"]["language"] == "english" and got["translated_verbose"]["segments"]


def test_streamed(got):
    kinds = [event["type"] for event in got["streamed"]]
    assert kinds[0] == "transcript.text.delta" and kinds[-1] == "transcript.text.done"
    assert "".join(event["delta"] for event in got["streamed"][:-1]) == got["streamed"][-1]["text"]


def test_errors_are_the_packages_own_classes(got):
    errors = got["errors"]
    assert (errors["key"]["name"], errors["key"]["status"]) == ("AuthenticationError", 401)
    assert (errors["model"]["name"], errors["model"]["code"]) == ("NotFoundError", "model_not_found")
    assert (errors["format"]["name"], errors["format"]["param"]) == ("BadRequestError", "response_format")
    assert (errors["language"]["name"], errors["language"]["code"]) == ("BadRequestError", "unsupported_language")
    assert errors["audio"]["name"] in ("BadRequestError", "UnprocessableEntityError")
    assert errors["translation"]["name"] == "BadRequestError"
    assert all(len(error["message"]) > 20 for error in errors.values())


def test_a_live_session_with_the_key_as_a_subprotocol(got):
    live = got["realtime"]
    assert live["protocol"] == "realtime"
    assert heard(live["transcript"]) > 0.7
    assert "input_audio_buffer.speech_started" in live["events"]


def test_a_wrong_key_is_told_in_the_protocols_own_shape(got):
    assert got["errors"]["realtime"]["code"] == "unauthorized"
