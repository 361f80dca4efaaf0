"""Probes, health, metrics and the index, in every state a model can be in."""

import re

import pytest
from hotmic_py import run


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_everything_is_well_when_ready(ready):
    for path in ("/livez", "/readyz", "/startupz"):
        answer = ready.request(path)
        assert answer.status == 200 and answer.text.startswith("ok\n")
        assert lower(answer.headers)["content-type"].startswith("text/plain")
        assert lower(answer.headers)["cache-control"] == "no-store"
        json = ready.request(path, headers={"Accept": "application/json"})
        assert json.status == 200 and json.json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/health", "/model-status", "/capabilities", "/metrics", "/"])
def test_head_has_the_headers_and_no_body(ready, path):
    answer = ready.request(path, "HEAD")
    assert answer.status == 200 and answer.body == b""
    assert int(lower(answer.headers)["content-length"]) > 0


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/health", "/v2/health/ready", "/v2/models/default/ready"])
def test_options_tells_what_get_does(ready, fake, path):
    """Load balancers ask by it."""
    well = ready.request(path, "OPTIONS")
    assert (well.status, well.body, well.headers["allow"]) == (204, b"", "OPTIONS, GET, HEAD")
    assert ready.request(path, "POST").headers["allow"] == "OPTIONS, GET, HEAD"
    with fake("hang=load") as server:
        server.wait_for("→ LOADING")
        told = server.request(path, "OPTIONS")
        assert told.status == (204 if path == "/livez" else 503) and "GET" in told.headers["allow"]
        preflight = server.request(path, "OPTIONS", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
        assert preflight.status == 204


def test_while_loading_it_lives_but_is_not_ready(fake):
    with fake("hang=load") as server:
        assert server.request("/livez").status == 200
        server.wait_for("→ LOADING")
        for path in ("/readyz", "/startupz"):
            answer = server.request(path)
            assert answer.status == 503 and "LOADING" in answer.text
        ready = server.request("/readyz", headers={"Accept": "application/json"})
        assert int(lower(ready.headers)["retry-after"]) >= 1
        model = ready.json()["models"][0]
        assert model["model"] == "default" and model["state"] == "LOADING" and model["ready"] is False and model["reason"]
        assert 0 <= model["progress"] <= 1
        health = server.request("/health")
        assert health.status == 503
        body = health.json()
        assert body["status"] == "loading" and body["model_state"] == "LOADING" and body["model_ready"] is False and body["reason"]
        told = {name: body[name] for name in ("status", "service", "provider", "model", "model_state", "reason")}
        assert body["detail"] == told  # where EchoPanel's clients look
        assert 'hotmic_model_state{model="default",state="LOADING"} 1\n' in server.request("/metrics").text


def test_in_error_the_cause_is_told(fake):
    with fake("fail=load&error=model_corrupt") as server:
        server.wait_for("→ ERROR")
        assert server.request("/livez").status == 200
        assert server.request("/readyz").status == 503
        body = server.request("/health").json()
        assert body["status"] == "error" and body["model_state"] == "ERROR" and body["error_code"] == "model_corrupt"
        status = server.request("/model-status").json()
        assert status["health"]["last_error_code"] == "model_corrupt" and "told to fail" in status["health"]["last_error"]


def test_health_has_what_its_clients_read(ready):
    body = ready.request("/health").json()
    assert body["status"] == "ok" and body["service"] == "hotmic" and body["provider"] == "fake"
    assert body["model_ready"] is True and body["model_state"] == "READY"
    assert body["load_time_ms"] > 0 and body["process_rss_mb"] > 0
    assert "reason" not in body and "detail" not in body


def test_a_wrong_key_is_told_where_none_is_needed(fake):
    with fake("", "--set", "server.api_keys=[\"right\"]") as server:
        server.wait_ready()
        for path in ("/health", "/model-status", "/capabilities"):
            assert server.request(path).status == 200
            for sent in ({"Authorization": "Bearer {}"}, {"X-EchoPanel-Token": "{}"}, "?token={}"):
                def ask(key):
                    if isinstance(sent, str):
                        return server.request(path + sent.format(key))
                    return server.request(path, headers={name: value.format(key) for name, value in sent.items()})
                assert ask("right").status == 200
                refused = ask("wrong")
                assert refused.status == 401 and refused.json() == {"detail": "Unauthorized"}
        assert server.request("/health", headers={"Authorization": "Bearer right", "X-EchoPanel-Token": "wrong"}).status == 200
        assert server.request("/livez", headers={"Authorization": "Bearer wrong"}).status == 200
        assert 'hotmic_errors_total{code="unauthorized"} 9\n' in server.request("/metrics").text


def test_model_status_counts_requests_and_lists_transitions(fake):
    with fake("") as server:
        server.wait_ready()
        assert server.transcribe().status == 200
        status = server.request("/model-status").json()
        assert status["stats"]["inference_count"] == 1
        assert [event["to"] for event in status["events"]][-1] == "READY"
        assert [event["sequence"] for event in status["events"]] == list(range(1, len(status["events"]) + 1))


def test_capabilities_name_every_provider_and_the_choice(ready):
    body = ready.request("/capabilities").json()
    assert body["profile"]["cpu_cores"] >= 1 and body["profile"]["ram_gb"] > 0
    assert {"pocketsphinx", "fake"} <= {provider["name"] for provider in body["providers"]}
    assert body["recommendation"]["provider"] == "fake" and body["recommendation"]["reason"]


def test_capabilities_and_status_have_what_echopanels_clients_read(ready):
    body = ready.request("/capabilities").json()
    assert {"ram_gb", "cpu_cores", "cpu_percent", "has_mps", "has_cuda", "cuda_devices", "os_name", "arch"} <= body["profile"].keys()
    assert 0 <= body["profile"]["cpu_percent"] <= 100
    advice = body["recommendation"]
    assert {"provider", "model", "chunk_seconds", "compute_type", "device", "vad_enabled", "reason", "n_threads"} <= advice.keys()
    assert advice["chunk_seconds"] == 0.2 and advice["vad_enabled"] is True and advice["device"]
    assert body["env_vars"] == {}
    status = ready.request("/model-status").json()
    assert status["status"] == "ok" and status["health"]["download_in_progress"] is False


def test_models_have_openais_shape(ready):
    listed = ready.request("/v1/models").json()
    assert listed["object"] == "list"
    [model] = listed["data"]
    assert model["id"] == "default" and model["object"] == "model" and model["owned_by"] and model["created"] > 1_700_000_000
    assert model["state"] == "READY" and model["aliases"] == ["whisper-1"]
    for name in ("default", "whisper-1"):
        assert ready.request(f"/v1/models/{name}").json() == model


def test_what_is_not_there_is_told_in_openais_shape(ready, error_of):
    assert error_of(ready.request("/v1/models/none"), 404, "model_not_found")["param"] == "model"
    assert "GET /" in error_of(ready.request("/none"), 404, "not_found")["message"]
    error_of(ready.request("/health", "POST", b""), 405, "method_not_allowed")
    error_of(ready.request("/v1/audio/transcriptions"), 405, "method_not_allowed")


def test_every_endpoint_of_the_index_exists(ready):
    for endpoint in ready.request("/").json()["endpoints"]:
        if endpoint.startswith("WS "):
            continue  # test_realtime and test_live_listener are about those
        method, path = endpoint.split(" ")
        changes = method in ("POST", "DELETE") and path.startswith(("/admin", "/v2/repository/models"))  # asked of nobody: the server stays as it is
        path = path.replace("{name}", "nobody" if changes else "default").replace("{id}", "default" if path.startswith("/v1") else "job-0")
        answer = ready.request(path, method, b"" if method == "POST" else None, {"Accept": "application/json"})
        if changes or "job-0" in path:
            assert answer.status == 202 or any(told in answer.text for told in ("no job", "nobody", "neither a model")), endpoint
        else:
            assert answer.status not in (404, 405), endpoint


def test_metrics_count_requests_errors_and_audio(fake):
    with fake("") as server:
        server.wait_ready()
        assert server.transcribe().status == 200
        assert server.transcribe(model="none").status == 404
        assert server.request("/no-such-path").status == 404
        answer = server.request("/metrics")
        assert lower(answer.headers)["content-type"].startswith("text/plain; version=0.0.4")
        values = dict(re.findall(r"^(\S+) (\S+)$", answer.text, re.MULTILINE))
        route = 'route="/v1/audio/transcriptions"'
        assert values[f'hotmic_http_requests_total{{{route},status="200"}}'] == "1"
        assert values[f'hotmic_http_requests_total{{{route},status="404"}}'] == "1"
        assert values['hotmic_http_requests_total{route="unmatched",status="404"}'] == "1"
        assert values['hotmic_errors_total{code="model_not_found"}'] == "1"
        assert values['hotmic_errors_total{code="queue_full"}'] == "0"
        assert values['hotmic_inference_seconds_count{model="default"}'] == "1"
        assert 4 < float(values['hotmic_audio_seconds_total{model="default"}']) < 6
        assert values['hotmic_model_state{model="default",state="READY"}'] == "1"
        assert values["hotmic_requests_in_flight"] == "0"


def test_status_says_by_its_exit_code_whether_requests_are_served(fake, home):
    """As a container's health check does: without a key."""
    with fake("load_ms=60000", "--set", "server.admin_key=secret", "--set", "server.api_keys=other") as server:
        server.wait_for("→ LOADING")
        told = run("status", "--ready", "--server", server.url, home=home)
        assert told.code == 6 and "not ready\ndefault: LOADING" in told.out
    with fake("", "--set", "server.admin_key=secret", "--set", "server.api_keys=other") as server:
        server.wait_ready()
        told = run("status", "--ready", home=home, env={"HOTMIC_SERVER_URL": server.url})
        assert (told.code, told.out) == (0, "ok\ndefault: READY\n")
        url = server.url
    told = run("status", "--ready", "--server", url, home=home)
    assert told.code == 6 and "no server answers" in told.err
    assert run("status", "--ready", "--watch", home=home).code == 2
