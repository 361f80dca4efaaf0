"""The page when something goes wrong: models, servers, keys and microphones that are not there."""

import os
import signal

import pytest

from hotmic_py import CLIP

TEXT = "the fake has spoken"


def test_a_killed_worker_interrupts_nothing_that_was_written(browse, fake, sentence):
    with fake(f"text={TEXT}&load_ms=1000") as server:
        page = browse(microphone=sentence, again=True).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: len(page.finals) == 1, "a final")
        os.kill(server.workers()[0], signal.SIGKILL)
        page.until(lambda: "LOADING" in page.seen["states"][page.seen["states"].index("READY"):], "leaves READY")
        page.until_state("READY")
        assert "default READY → ERROR" in page.text("#events") and "SIGKILL" in page.text("#events")
        page.until(lambda: len(page.finals) >= 3, "it listens on")
        assert set(page.finals) == {TEXT}


def test_a_stream_that_ended_begins_again_when_the_model_is_ready(browse, fake, sentence):
    once = ("--set", "models.*.retry.max_attempts=1", "--set", "models.*.supervise.crash_loop_deaths=1")
    with fake(f"text={TEXT}", *once) as server:
        page = browse(microphone=sentence, again=True).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: page.finals, "a final")
        os.kill(server.workers()[0], signal.SIGKILL)
        page.until_state("ERROR")
        page.until_text("#listen-note", "It begins again")
        assert page.text("#trouble")
        written = len(page.finals)
        assert server.request("/admin/models/default/load", "POST", b"").status == 202
        page.until_state("READY")
        page.until(lambda: len(page.finals) > written, "it listens again")
        assert not page.shown("#trouble")


def test_a_server_that_goes_away_and_returns(browse, fake, sentence, on_one_port):
    with fake(f"text={TEXT}", name=on_one_port) as server:
        page = browse(microphone=sentence, again=True).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: page.finals, "a final")
        server.process.kill()
        page.until_state("GONE")
        page.until_text("#banner", "The server does not answer. Trying again")
        assert TEXT in page.finals
        written = len(page.finals)
    with fake(f"text={TEXT}", name=on_one_port):
        page.until(lambda: not page.shown("#banner"), "the banner goes")
        page.until_state("READY")
        page.until(lambda: len(page.finals) > written, "it listens again")
        assert page.finals[0] == TEXT


def test_a_key_is_asked_for_and_used(browse, fake, sentence):
    with fake(f"text={TEXT}", "--set", 'server.api_keys=["secret"]') as server:
        page = browse(microphone=sentence, again=True).open(server)
        page.until(lambda: page.shown("#key-form"), "the field for the key")
        page.until_state("READY")  # what needs no key is shown all the same
        page.find("#key").send_keys("wrong\n")
        page.until_text("#key-trouble", "the API key is not known")
        page.listen()
        page.until_text("#trouble", "the API key is not known")
        page.until(lambda: page.text("#listen-label") == "Listen" and page.find("#listen").get_attribute("aria-disabled") == "false", "it stops by itself")
        page.find("#key").clear()
        page.find("#key").send_keys("secret\n")
        page.until(lambda: not page.shown("#key-form"), "the key is taken")
        page.choose(CLIP)
        page.until(lambda: page.texts("#finals .file .words") == [TEXT], "the file's text")
        page.listen()
        page.until(lambda: page.texts("#finals .said .words"), "a final")
        assert page.script("return [sessionStorage.length > 0, localStorage.length]") == [True, 0]
        page.driver.refresh()
        page.until_state("READY")
        page.until(lambda: page.find("#model").is_enabled(), "the models, without being asked again")
        assert not page.shown("#key-form")


@pytest.mark.parametrize(("microphone", "words"), [
    ("undefined", "by https or from this machine"),
    ("{getUserMedia: () => Promise.reject(new DOMException('', 'NotAllowedError'))}", "does not let this page use the microphone"),
    ("{getUserMedia: () => Promise.reject(new DOMException('', 'NotFoundError'))}", "has no microphone")])
def test_without_a_microphone_it_says_what_to_do(page, numbers, microphone, words):
    page.open(numbers).until_state("READY")
    page.script(f"Object.defineProperty(navigator, 'mediaDevices', {{value: {microphone}, configurable: true}})")
    page.listen()
    page.until_text("#trouble", words)
    assert page.text("#listen-label") == "Listen"
