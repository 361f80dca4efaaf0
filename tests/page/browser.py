"""Somebody in front of the page: Chromium, driven by Selenium. Nothing here sleeps: waiting is for what the page shows."""

import shutil
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import hotmic_py

# Everything a test may want to know about the past of the page, from its first moment on.
RECORDER = """
window.seen = {states: [], partials: [], progress: []};
const note = (list, value) => { if (value && list.at(-1) !== value) list.push(value); };
document.addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
  note(seen.states, document.getElementById('state').dataset.state);
  note(seen.partials, document.querySelector('.partial .words')?.textContent);
  const bar = document.getElementById('progress-bar');
  if (bar.checkVisibility() && bar.position >= 0) note(seen.progress, bar.position);
}).observe(document, {subtree: true, childList: true, characterData: true, attributes: true}));
"""


class Page:
    """What somebody in front of the page sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, server, path="/"):
        self.url = server.url
        self.driver.get(server.url + path)
        return self

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)", selector)

    def shown(self, selector):
        return self.find(selector).is_displayed()

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def until(self, condition, what):
        """`condition()` is asked until it is true; `what` names it when it never is."""
        try:
            return WebDriverWait(self.driver, hotmic_py.PATIENCE, poll_frequency=0.05, ignored_exceptions=(Exception,)).until(lambda _: condition())
        except Exception:
            raise AssertionError(f"never: {what}\n--- the page\n{self.text('body')}\n--- its console\n{self.console()}") from None

    def until_state(self, *names):
        return self.until(lambda: self.find("#state").get_attribute("data-state") in names, f"state {' or '.join(names)}")

    def until_text(self, selector, wanted):
        return self.until(lambda: wanted in self.text(selector), f"{wanted!r} in {selector}")

    @property
    def seen(self):
        return self.script("return seen")

    @property
    def finals(self):
        return self.texts("#finals .words")

    def listen(self):
        self.find("#listen").click()

    def choose(self, *paths):
        self.find("#file").send_keys("\n".join(map(str, paths)))

    def console(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def errors(self):
        """Of the console, since the page was opened. That /health says 503 while a model is not READY is no error, but a browser lists it."""
        return [message for message in self.console() if self.url in message and "/health" not in message]

    def screenshot(self, path):
        self.driver.save_screenshot(str(path))


@contextmanager
def chromium(profile, microphone=None, again=False, size=(1280, 860), dark=False):
    """`microphone`: a WAV file that is heard from when the microphone is opened; `again`: over and over."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update",
                 "disable-sync", "disable-dev-shm-usage", "use-fake-ui-for-media-stream", "use-fake-device-for-media-stream", "lang=en-GB",
                 f"user-data-dir={profile}", f"window-size={size[0]},{size[1]}"):
        options.add_argument("--" + flag)
    if microphone:
        options.add_argument(f"--use-file-for-fake-audio-capture={microphone}{'' if again else '%noloop'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORDER})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        yield Page(driver)
    finally:
        driver.quit()
