"""What was said, into the microphone and in files, as it is written on the page."""

import re

from hotmic_py import CLIP

TEXT = "the fake has spoken"


def console_is_clean(page):
    assert page.errors() == []


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
