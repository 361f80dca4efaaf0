"""The official `openai` package of npm, unmodified, in Node: what it makes of our answers, streams, errors and live sessions."""

import asyncio
import contextlib
import json
import os
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from hotmic_py import CLIP, PATIENCE, Server, heard, speech_pcm

PACKAGE = Path(__file__).parent / "npm"
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "network")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"NO {tool.upper()}: apt install nodejs npm")
    folder = tmp_path_factory.mktemp("npm")
    shutil.copytree(PACKAGE, folder, dirs_exist_ok=True)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("THE NPM REGISTRY CANNOT BE REACHED; the official JavaScript client is not tried")
    assert done.returncode == 0, done.stderr
    return folder


@contextlib.contextmanager
def tls_in_front(server, folder):
    """What stands before a server that is reached over TLS: yields the port of a proxy, and the certificate to trust."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    host, port = server.url.removeprefix("http://").split(":")

    async def relay(reader, writer):
        with contextlib.suppress(OSError):
            while part := await reader.read(1 << 16):
                writer.write(part)
                await writer.drain()
        writer.close()

    async def connected(reader, writer):
        to_server = await asyncio.open_connection(host, int(port))
        await asyncio.gather(relay(reader, to_server[1]), relay(to_server[0], writer))

    loop = asyncio.new_event_loop()
    proxy = loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield proxy.sockets[0].getsockname()[1], certificate
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)


@pytest.fixture(scope="module")
def got(installed, german, german_clip, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    pcm = home / "speech.pcm"
    pcm.write_bytes(speech_pcm(24000) + bytes(48000))
    with Server("--set", "server.api_keys=secret", *german, home=home) as server:
        server.wait_ready("default", "german")
        with tls_in_front(server, home) as (port, certificate):
            done = subprocess.run(["node", "client.mjs", server.url + "/v1", f"https://localhost:{port}/v1", CLIP, german_clip, pcm, "secret"],
                                  cwd=installed, env=os.environ | {"NODE_EXTRA_CA_CERTS": str(certificate)}, capture_output=True, text=True,
                                  timeout=6 * PATIENCE, check=False)
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
