"""What people see on the page: the model's life, their words, and what goes wrong."""

import os
import re
import signal

import pytest

from hotmic_py import CLIP, SOURCE

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


def test_spoken_numbers_are_written(browse, numbers, say):
    page = browse(microphone=say("forty two", "three hundred and sixty five")).open(numbers)
    page.until_state("READY")
    page.listen()
    page.until(lambda: len(page.finals) == 2, "two finals")
    assert page.finals == ["forty two", "three hundred and sixty five"]
    page.until_text("#delay", "after you paused")
    assert page.shown("#level") and re.fullmatch(r"\d+:\d\d", page.text("#elapsed"))
    page.listen()
    page.until(lambda: page.text("#listen-label") == "Listen" and not page.shown("#meters"), "stopped")
    assert page.finals == ["forty two", "three hundred and sixty five"]
    page.until(lambda: numbers.request("/health").json()["live"]["streams"] == 0, "no stream is left")
    console_is_clean(page)


def test_what_is_being_said_looks_different_from_what_was_said(browse, fake, sentence):
    with fake(f"text={TEXT}") as server:
        page = browse(microphone=sentence).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: page.texts(".partial .words") == [TEXT], "a partial")
        words = "getComputedStyle(document.querySelector(arguments[0]))"
        assert page.script(f"return {words}.fontStyle", ".partial") == "italic"
        assert "dotted" in page.script(f"return {words}.borderBottomStyle", ".partial .words")
        assert page.script("return document.querySelector('.partial').closest('[aria-live=polite], [role=log]')") is None
        page.until(lambda: page.finals == [TEXT], "the final")
        assert page.script("return document.querySelector('#finals').ariaLive") == "polite"
        assert page.texts(".partial") == []
        assert page.script(f"return {words}.fontStyle", "#finals .words") == "normal"
        assert set(page.seen["partials"]) == {TEXT}


def test_stopping_waits_for_the_last_words(browse, fake, sentence):
    with fake(f"text={TEXT}&infer_ms=200") as server:
        page = browse(microphone=sentence).open(server)
        page.until_state("READY")
        page.listen()
        page.until(lambda: page.texts(".partial .words"), "somebody speaks")
        page.listen()
        page.until(lambda: page.finals == [TEXT], "the final")
        page.until(lambda: page.text("#listen-label") == "Listen", "stopped")


def test_words_said_while_the_model_loads_are_kept(browse, fake, sentence):
    page = browse(microphone=sentence)
    with fake(f"text={TEXT}&load_ms=5000&steps=40") as server:
        page.open(server).until_state("LOADING")
        page.listen()
        page.until_text("#listen-note", "kept until the model is READY")
        page.until(lambda: page.finals == [TEXT], "the final")


def test_files_are_written_one_after_the_other(page, numbers, say):
    first, second = say("forty two", name="first.wav"), say("stop", name="second.wav")
    page.open(numbers).until_state("READY")
    page.choose(first, second)
    page.until(lambda: page.finals == ["forty two", "stop"], "both texts")
    assert page.texts("#finals .label") == ["first.wav", "second.wav"]
    page.until(lambda: page.texts("#uploads li") == [], "nothing is under way")
    console_is_clean(page)


def test_a_file_can_be_dropped(page, numbers, say):
    page.open(numbers).until_state("READY")
    page.script("""
        const bytes = Uint8Array.from(atob(arguments[0]), (each) => each.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], 'dropped.wav'));
        for (const type of ['dragenter', 'dragover', 'drop'])
          document.body.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));""", in_base64(say("stop")))
    page.until(lambda: page.finals == ["stop"], "the text")
    assert page.texts("#finals .label") == ["dropped.wav"]
    assert "dropping" not in page.find("body").get_attribute("class")


def in_base64(path):
    import base64

    return base64.b64encode(path.read_bytes()).decode()


def test_a_file_waits_for_the_model(page, fake):
    with fake(f"text={TEXT}&load_ms=5000&steps=30") as server:
        page.open(server).until_state("LOADING")
        page.choose(CLIP)
        page.until_text("#uploads", "waits until the model is READY")
        page.until(lambda: page.finals == [TEXT], "the text")


def test_a_file_that_is_no_audio_is_refused_in_the_servers_words(page, fake, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    with fake() as server:
        words = server.wait_ready().transcribe(tmp_path / "letter.txt").json()["error"]["message"]
        page.open(server).until_state("READY")
        page.choose(tmp_path / "letter.txt")
        page.until_text("#uploads .failed", words)
        page.find("#uploads button").click()
        assert page.texts("#uploads li") == []


def test_text_can_be_copied_and_cleared(page, fake):
    with fake(f"text={TEXT}") as server:
        page.open(server).until_state("READY")
        assert not page.find("#copy").is_enabled()
        page.choose(CLIP)
        page.until(lambda: page.finals == [TEXT], "the text")
        page.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        page.find("#copy").click()
        page.until_text("#copied", "Copied")
        assert page.script("return navigator.clipboard.readText()") == TEXT
        page.find("#clear").click()
        assert page.finals == [] and page.shown("#nothing-yet")


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


def test_it_is_worked_by_the_keyboard(browse, fake, sentence):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with fake(f"text={TEXT}") as server:
        page = browse(microphone=sentence).open(server)
        page.until_state("READY")
        press = lambda key: ActionChains(page.driver).send_keys(key).perform()
        reached = []
        while page.script("return document.activeElement.id") != "listen":
            press(Keys.TAB)
            reached.append(page.script("return document.activeElement.id"))
            assert len(reached) < 12, reached
        assert "model" in reached
        assert page.script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
        press(Keys.SPACE)
        page.until(lambda: page.find("#listen").get_attribute("aria-pressed") == "true", "listening")
        press(Keys.ENTER)
        page.until(lambda: page.find("#listen").get_attribute("aria-pressed") == "false" and page.text("#listen-label") == "Listen", "stopped")


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


def test_nothing_moves_for_who_wants_no_motion(page, fake):
    still = lambda value: page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": value}]})
    moving = lambda: page.script("return document.getAnimations().length")
    with fake("load_ms=5000") as server:
        page.open(server).until_state("LOADING")
        page.until(lambda: moving() > 0, "the lamp turns")
        still("reduce")
        try:
            page.until(lambda: moving() == 0, "it stands")
        finally:
            still("")


CONTRASTS = r"""
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const light = (colour) => channels(colour).slice(0, 3).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
const under = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if ((channels(colour)[3] ?? 1) === 1) return colour;
  }
};
const poor = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!own || !element.checkVisibility() || element.disabled) continue;
  const style = getComputedStyle(element);
  const [dark, bright] = [light(element instanceof SVGElement ? style.fill : style.color), light(under(element))].sort((a, b) => a - b);
  const ratio = (bright + 0.05) / (dark + 0.05);
  if (ratio < 4.5) poor.push(`${element.tagName} ${element.id || element.className} ${element.textContent}: ${ratio.toFixed(2)}`);
}
return poor;
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_dark_and_light_can_be_read(browse, fake, sentence, dark, tmp_path):
    with fake(f"text={TEXT}", level=0) as server:
        page = browse(microphone=sentence, dark=dark).open(server)
        page.until_state("READY")
        page.choose(CLIP, SOURCE / "README.md")
        page.until(lambda: page.finals and page.texts("#uploads .failed"), "a text and a refusal")
        page.listen()
        page.until(lambda: page.texts(".partial .words") == [TEXT], "a partial")
        ground = page.script("return getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground) < 3 * 64) == dark
        page.until(lambda: page.script(CONTRASTS) == [], page.script(CONTRASTS))
        page.screenshot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000


def test_it_fits_a_telephone(page, numbers):
    narrow = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        page.open(numbers).until_state("READY")
        page.until(lambda: page.shown("#warmup-figure"), "warmup figures")
        assert page.script("return document.documentElement.scrollWidth") <= 360
        page.find("summary").click()
        assert page.script("return document.documentElement.scrollWidth") <= 360
        box = page.find("#listen").rect
        assert box["y"] + box["height"] <= 740, "the button is on the first screen"
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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
