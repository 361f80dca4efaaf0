"""Browsers, proxies and names: whom a page may speak for, and who is this machine."""

import pytest
from hotmic_py import Messages
from raw_http import open_websocket

ADMIN = "/admin/models"
EVIL = "https://evil.example"


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "203.0.113.9"}, {"Host": "[2001:db8::9]:8090"}, {"Host": "evil.example", "Origin": "http://evil.example"}, {"Origin": EVIL}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"X-Forwarded-For": "203.0.113.9"}, {"X-Real-IP": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"},
    {"Via": "1.1 proxy"}, {"X-Forwarded-Proto": "https"},
])
def test_without_a_key_only_this_machine_itself_administers(ready, error_of, headers):
    error_of(ready.request(ADMIN, headers=headers), 401, "unauthorized")


def test_a_proxy_that_shows_itself_by_the_name_it_was_asked_for_is_warned_of_once(fake):
    warning = "all of them may administer; set server.admin_key"
    with fake() as server:
        server.wait_ready()
        server.request("/v1/models", headers={"Host": "stt.example", "X-Forwarded-For": "203.0.113.9"})
        server.request("/v1/models", headers={"Host": "localhost"})
        assert warning not in server.log()
        for _ in range(2):
            server.request("/v1/models", headers={"Host": "stt.example"})
        assert server.log().count(warning) == 1 and "stt.example" in server.log()
    with fake("", "--set", "server.admin_key=master") as server:
        server.wait_ready()
        server.request("/v1/models", headers={"Host": "stt.example"})
        assert warning not in server.log()


def test_this_machine_by_its_names(ready):
    port = ready.url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "hotmic.localhost", "127.9.9.9", "0.0.0.0", "[::ffff:127.0.0.1]"):
        assert ready.request(ADMIN, headers={"Host": host}).status == 200
    assert ready.request(ADMIN, headers={"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}).status == 200


def test_with_a_key_any_way_will_do(fake):
    with fake("", "--set", "server.admin_key=master") as server:
        server.wait_ready()
        assert server.request(ADMIN, headers={"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer master"}).status == 200


def test_hosts_that_are_named_are_the_only_ones(fake, error_of):
    with fake("", "--set", "server.hosts=stt.example") as server:
        server.wait_ready()
        assert server.request("/v1/models", headers={"Host": "stt.example"}).status == 200
        assert server.request("/v1/models").status == 200
        error_of(server.request("/v1/models", headers={"Host": "evil.example"}), 421, "host_not_allowed")
        assert server.request("/livez", headers={"Host": "10-0-0-7.pod"}).status == 200


@pytest.mark.parametrize("path", ["/v1/realtime", "/ws/live-listener"])
def test_websockets_of_other_origins_are_refused(ready, path):
    for origin, status in ((EVIL, b" 403 "), ("null", b" 403 "), ("http://hotmic", b" 101 "), ("https://HOTMIC:443", b" 101 ")):
        connection, head = open_websocket(ready, path, f"Origin: {origin}\r\n")
        connection.close()
        assert status in head, (origin, head)
    connection, head = open_websocket(ready, path, "Origin: https://stt.example\r\nX-Forwarded-Host: stt.example\r\n")
    connection.close()
    assert b" 101 " in head


def test_without_cors_nothing_is_allowed(ready):
    answer = ready.request("/v1/models", headers={"Origin": EVIL})
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers
    preflight = ready.request("/v1/models", "OPTIONS", headers={"Origin": EVIL, "Access-Control-Request-Method": "GET"})
    assert preflight.status == 204 and "access-control-allow-methods" not in preflight.headers


@pytest.mark.parametrize("origins", ["https://app.example,http://localhost:3000", "*"])
def test_cors_answers_those_that_are_named(fake, origins):
    with fake("", "--set", f"server.cors_origins={origins}", "--set", "server.api_keys=good") as server:
        server.wait_ready()
        preflight = server.request("/v1/audio/transcriptions", "OPTIONS", headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"})
        assert preflight.status == 204 and preflight.headers["access-control-allow-origin"] == "https://app.example"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
        refused = server.request("/v1/models", headers={"Origin": "https://app.example"})
        assert refused.status == 401 and refused.headers["access-control-allow-origin"] == "https://app.example"  # so that a page can read why
        assert "x-request-id" in refused.headers["access-control-expose-headers"] and "Origin" in refused.headers["vary"]
        other = server.request("/v1/models", headers={"Origin": EVIL, "Authorization": "Bearer good"})
        assert ("access-control-allow-origin" in other.headers) == (origins == "*")
        with Messages(server, "/v1/realtime?api_key=good", origin="https://app.example") as socket:
            assert socket.until("session.created")


def test_addresses_of_ipv6(fake):
    for host in ("::1", "[::1]"):
        with fake("", "--host", host) as server:
            assert server.url.startswith("http://[::1]:")
            assert server.request("/livez").status == 200
