"""How the page looks and is worked: by keyboard, on a telephone, in the dark."""

import pytest

from hotmic_py import CLIP, SOURCE

TEXT = "the fake has spoken"
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
