"""What people see of models on the page: their life, their figures, and which there are."""

import os
import re
import signal

from hotmic_py import CLIP

TEXT = "the fake has spoken"


def console_is_clean(page):
    assert page.errors() == []


def test_a_ready_model_and_its_figures(page, numbers):
    page.open(numbers).until_state("READY")
    page.until(lambda: page.shown("#warmup-figure"), "warmup figures")
    assert page.driver.title.startswith("READY")
    assert page.text("#model") == "default"
    assert "whisper_cpp" in page.text("#engine")
    for phase in ("LOADING", "WARMING_UP"):
        assert re.fullmatch(r"[\d.]+ m?s", page.text(f"#time-{phase}"))
    levels = numbers.request("/model-status").json()["warmup"]["levels"]
    assert len(page.texts("#warmup-rows tr")) == len(page.texts("#warmup-plot .row")) == len(levels)
    assert "Latency of requests" in page.find("#warmup-plot svg").get_attribute("aria-label")
    assert page.text("#slots-note") == "0 of 1 busy" and page.text("#live-level") == "normal"
    assert re.search(r"default WARMING_UP → READY", page.text("#events li"))
    assert not page.shown("#banner") and not page.shown("#key-form") and not page.shown("#progress")
    console_is_clean(page)


def test_nothing_comes_from_elsewhere(page, numbers):
    page.open(numbers).until_state("READY")
    names = page.script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert names and all(name.startswith(numbers.url + "/") for name in names)
    blocked = page.script("""
        const told = [];
        document.addEventListener('securitypolicyviolation', (event) => told.push(event.blockedURI));
        return fetch('https://example.org/').catch(() => new Promise((done) => setTimeout(() => done(told))));""")
    assert blocked == ["https://example.org/"]


def test_loading_is_shown_as_it_goes(page, fake):
    with fake("load_ms=5000&steps=60", level=1) as server:
        page.open(server).until_state("LOADING")
        page.until(lambda: page.shown("#progress"), "progress bar")
        page.until(lambda: re.search(r"[\d.]+ MiB of 60 MiB, about .* to go", page.text("#progress-note")), "bytes and time to go")
        assert page.find("#phase-LOADING").get_attribute("aria-current") == "step"
        page.until_state("READY")
        assert not page.shown("#progress")
        progress = page.seen["progress"]
        assert len(progress) > 2 and progress == sorted(progress)
        assert page.seen["states"][0] == "LOADING" and page.seen["states"][-1] == "READY"
        console_is_clean(page)


def test_warming_up_is_shown_with_its_level(page, fake):
    with fake("infer_ms=500", level=2) as server:
        page.open(server)
        page.until(lambda: "level 2" in page.text("#time-WARMING_UP"), "level 2")
        page.until_state("READY")
        assert "WARMING_UP" in page.seen["states"]


def test_a_model_that_fails_says_why(page, fake):
    with fake("fail=load", "--set", "models.*.retry.max_attempts=1") as server:
        page.open(server).until_state("ERROR")
        page.until_text("#reason", "told to fail here")
        page.listen()
        page.until_text("#trouble", "told to fail here")


def test_without_the_right_to_see_events_it_is_the_same(page, fake):
    with fake("load_ms=3000", "--set", 'server.admin_key="boss"') as server:
        page.open(server).until_state("READY")
        assert not page.shown("#trouble") and not page.shown("#key-form") and not page.shown("#banner")
        os.kill(server.workers()[0], signal.SIGKILL)
        page.until(lambda: len(page.seen["states"]) > 2, "leaves READY")
        page.until_state("READY")


def test_models_are_chosen(page, fake):
    other = ("--set", "models.other.provider=fake", "--set", "models.other.path=fake:text=another", "--set", "models.other.warmup.level=0")
    with fake(f"text={TEXT}", "--set", "models.default.provider=fake", *other) as server:
        page.open(server).until_state("READY")
        page.until(lambda: len(page.texts("#model option")) == 2, "both models")
        page.find("#model option[value=other]").click()
        page.until(lambda: any(" other " in f" {event} " for event in page.texts("#events li .change")), "its events")
        page.until_state("READY")
        page.choose(CLIP)
        page.until(lambda: page.finals == ["another"], "the text of that model")
        page.driver.refresh()
        page.until(lambda: page.find("#model").is_enabled(), "the models")
        assert page.find("#model").get_attribute("value") == "other"


def test_the_model_can_be_changed_while_somebody_speaks(browse, fake, sentence):
    other = ("--set", "models.other.provider=fake", "--set", "models.other.path=fake:text=another", "--set", "models.other.warmup.level=0")
    with fake(f"text={TEXT}", "--set", "models.default.provider=fake", *other) as server:
        page = browse(microphone=sentence, again=True).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: page.texts(".partial .words"), "somebody speaks")
        page.find("#model option[value=other]").click()
        page.until(lambda: "another" in page.finals, "a final of the other model")
        assert page.finals[0] == TEXT and set(page.finals) == {TEXT, "another"}
        assert server.request("/health").json()["live"]["streams"] == 1


def test_which_model_suits_this_machine_is_told(page, fake, tmp_path):
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text('[fake]\ngflop_per_second = 4\nmemory_mb = 100\n[[fake.sources]]\nurl = "https://models.example"\n'
                         'files = [{ name = "a.bin", digest = "unverified" }]\n')
    with fake("infer_ms=200", "--set", f"catalogue={catalogue}", level=2) as server:
        page.open(server).until_state("READY")
        assert not page.shown("#suggestion-words")
        page.find("#suggestion summary").click()
        page.until(lambda: page.shown("#suggestion-figures"), "figures")
        told = server.request("/suggestion").json()
        assert "by the model fake" in told["measured"]  # which was measured when it was warmed up
        assert re.fullmatch(r"For many languages take \S+, for English only \S+\.", page.text("#suggestion-words"))
        for best in (told["multilingual"], told["english"]):
            assert best in page.text("#suggestion-words") and best in page.texts("#suggestion-rows .best th")
        assert len(page.texts("#suggestion-rows tr")) == len(told["models"]) and "files" in page.text("#suggestion-rows")
        assert told["measured"] in page.text("#suggestion-how") and "memory are free" in page.text("#suggestion-how")
        console_is_clean(page)


def test_which_model_suits_is_told_to_those_with_a_key(browse, fake):
    with fake("", "--set", 'server.api_keys=["secret"]') as server:
        page = browse().open(server)
        page.until(lambda: page.shown("#key-form"), "a key is wanted")
        page.find("#suggestion summary").click()
        page.until_text("#suggestion-words", "key")
        page.find("#key").send_keys("secret\n")
        page.until(lambda: not page.shown("#key-form"), "the key is known")
        page.find("#suggestion summary").click()
        page.find("#suggestion summary").click()
        page.until(lambda: page.shown("#suggestion-figures"), "figures")
