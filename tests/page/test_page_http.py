"""How the page is served: to browsers only, from this server only, and anew only where it has changed."""

import pytest

import hotmic_py

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PARTS = {"/page.js": "text/javascript", "/page-worklet.js": "text/javascript", "/page.css": "text/css", "/page.svg": "image/svg+xml"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:", "--level", "0", "--set", 'server.api_keys=["secret"]',
                          home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        yield server


def headers(answer):
    return {name.lower(): value for name, value in answer.headers.items()}


def test_a_browser_gets_the_page_and_a_program_the_index(server):
    page = server.request("/", headers=BROWSER)
    assert page.status == 200 and headers(page)["content-type"].startswith("text/html")
    assert page.text.startswith("<!doctype html>")
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        index = server.request("/", headers=accept)
        assert index.json()["service"] == "hotmic"
        assert headers(index)["vary"] == headers(page)["vary"] == "Accept"


@pytest.mark.parametrize("path", ["/", *PARTS])
def test_every_part_is_kept_and_asked_for_again(server, path):
    part = server.request(path, headers=BROWSER)
    assert part.status == 200 and part.body
    told = headers(part)
    assert told["content-type"].startswith(PARTS.get(path, "text/html"))
    assert told["cache-control"] == "no-cache" and told["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in told["content-security-policy"] and "unsafe" not in told["content-security-policy"]
    again = server.request(path, headers=BROWSER | {"If-None-Match": told["etag"]})
    assert again.status == 304 and again.body == b"" and headers(again)["etag"] == told["etag"]
    assert server.request(path, headers=BROWSER | {"If-None-Match": '"another"'}).status == 200
    head = server.request(path, "HEAD", headers=BROWSER)
    assert head.status == 200 and head.body == b""


def test_nothing_in_it_names_another_host(server):
    for path in ("/", *PARTS):
        text = server.request(path, headers=BROWSER).text
        assert "https://" not in text
        assert text.count("http://") == text.count("http://www.w3.org/2000/svg")  # the name of a language, not an address


def test_a_browser_that_offers_subprotocols_is_told_which_is_spoken(server):
    websockets = pytest.importorskip("websockets.sync.client", reason="NO WEBSOCKETS: apt install python3-websockets")
    url = server.url.replace("http", "ws", 1) + "/v1/realtime?intent=transcription"
    with websockets.connect(url, subprotocols=["realtime", "openai-insecure-api-key.secret"]) as socket:
        assert socket.subprotocol == "realtime"
    with websockets.connect(url, subprotocols=["openai-insecure-api-key.secret"]) as socket:
        assert socket.subprotocol is None  # a key is not said back
    with websockets.connect(url + "&api_key=secret") as socket:
        assert socket.subprotocol is None
