"""API keys of a file: scopes, limits, dates, and taking them over while the server serves."""

import json
import signal
import threading
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import openai
import pytest
from hotmic_py import CLIP, Messages, until
from raw_http import metric


def section(name, *keys, scopes=("transcribe",), **more):
    digests = [sha256(key.encode()).hexdigest() for key in keys]
    lines = [f"[keys.{name}]", f"sha256 = {json.dumps(digests)}", f"scopes = {json.dumps(list(scopes))}"]
    return "\n".join(lines + [f"{field} = {value}" for field, value in more.items()]) + "\n"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def client(server, key):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def transcribe(server, key):
    with CLIP.open("rb") as file:
        return client(server, key).audio.transcriptions.create(model="whisper-1", file=file)


@pytest.fixture
def keyed(fake, home):
    """keyed(sections, script) is a server, not yet entered, with these keys in `keys.toml` of its home."""

    def make(sections, script="", *arguments):
        (home / "keys.toml").write_text(sections)
        return fake(script, "--set", "server.keys_file=keys.toml", *arguments)

    return make


def reload(server):
    seen = server.log().count("configuration read again")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log().count("configuration read again") > seen, "the server has read its configuration again")


def test_openai_s_client_gets_the_errors_it_knows(keyed):
    sections = (section("app", "hm_app", requests_per_minute=2) + section("ops", "hm_ops", scopes=["admin"])
                + section("old", "hm_old", expires="2020-01-01"))
    with keyed(sections, "text=hello") as server:
        server.wait_ready()
        assert transcribe(server, "hm_app").text == "hello"
        with pytest.raises(openai.AuthenticationError, match="not known"):
            transcribe(server, "hm_nobody")
        with pytest.raises(openai.AuthenticationError, match="old has expired, on 2020-01-01T00:00:00Z"):
            transcribe(server, "hm_old")
        with pytest.raises(openai.PermissionDeniedError, match="ops has not the scope transcribe; it has admin") as denied:
            transcribe(server, "hm_ops")
        assert denied.value.code == "key_forbidden" and denied.value.type == "permission_error"
        answer = client(server, "hm_app").audio.transcriptions.with_raw_response.create(model="whisper-1", file=CLIP)
        assert answer.headers["x-ratelimit-limit-requests"] == "2" and answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
        with pytest.raises(openai.RateLimitError, match="app may begin 2 requests a minute") as limited:
            transcribe(server, "hm_app")
        assert limited.value.code == "rate_limited" and 1 <= int(limited.value.response.headers["retry-after"]) <= 30
        assert limited.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        # To look is free.
        assert [model.id for model in client(server, "hm_app").models.list()] == ["default"]
        with pytest.raises(openai.PermissionDeniedError):
            client(server, "hm_ops").models.list()


def test_each_scope_opens_its_own_doors(keyed, error_of):
    sections = section("app", "hm_app") + section("prometheus", "hm_prom", scopes=["metrics"]) + section("ops", "hm_ops", scopes=["admin"])
    doors = {"/v1/models": "hm_app", "/suggestion": "hm_app", "/metrics": "hm_prom", "/admin/models": "hm_ops", "/admin/jobs": "hm_ops"}
    with keyed(sections) as server:
        server.wait_ready()
        for path, good in doors.items():
            error_of(server.request(path), 401, "unauthorized")
            for key in ("hm_app", "hm_prom", "hm_ops"):
                answer = server.request(path, headers=bearer(key))
                if key == good:
                    assert answer.status == 200, (path, key)
                else:
                    error_of(answer, 403, "key_forbidden")
        assert server.request("/v2/repository/index", "POST", b"", bearer("hm_app")).status == 403
        assert server.request("/v2/repository/index", "POST", b"", bearer("hm_ops")).status == 200
        assert server.request("/v2/models/default/infer", "POST", b"{}", bearer("hm_ops")).status == 403
        for path in ("/livez", "/readyz", "/startupz", "/health", "/model-status", "/"):
            assert server.request(path).status == 200
            assert server.request(path, headers=bearer("hm_ops")).status == 200


def test_a_key_comes_in_each_of_the_ways_that_clients_have(keyed):
    with keyed(section("app", "hm_app")) as server:
        server.wait_ready()
        for headers in (bearer("hm_app"), {"Authorization": "bearer hm_app  "}, {"api-key": "hm_app"}, {"Authorization": "", "api-key": " hm_app "}):
            assert server.request("/v1/models", headers=headers).status == 200, headers
        for headers in ({"Authorization": ""}, {"Authorization": "hm_app"}, {"Authorization": "Basic aG1fYXBw"}, {"api-key": ""}, {"api-key": "hm_ap"}):
            assert server.request("/v1/models", headers=headers).status == 401, headers
        assert server.request("/v1/models?api_key=hm_app").status == 401  # a URL stands in too many logs


def test_azure_s_client_sends_its_key_and_names_the_model_in_the_path(keyed):
    with keyed(section("app", "hm_app"), "text=hello") as server:
        server.wait_ready()
        azure = openai.AzureOpenAI(azure_endpoint=server.url, api_key="hm_app", api_version="2024-06-01", max_retries=0)
        assert azure.audio.transcriptions.create(model="whisper-1", file=CLIP).text == "hello"
        with pytest.raises(openai.NotFoundError, match='no model "nobody"'):
            azure.audio.transcriptions.create(model="nobody", file=CLIP)
        with pytest.raises(openai.AuthenticationError):
            openai.AzureOpenAI(azure_endpoint=server.url, api_key="wrong", api_version="2024-06-01").audio.transcriptions.create(model="whisper-1", file=CLIP)


def test_streams_know_keys_and_their_limits(keyed):
    with keyed(section("app", "hm_app", max_streams=1) + section("ops", "hm_ops", scopes=["admin"]), "text=hello") as server:
        server.wait_ready()

        def opens(path, **options):
            with Messages(server, path, **options) as session:
                return session.next()["type"] == "session.created"

        for path, options in (("/v1/realtime", {"additional_headers": bearer("hm_app")}), ("/v1/realtime?api_key=hm_app", {}), ("/v1/realtime?token=hm_app", {}),
                              ("/v1/realtime", {"subprotocols": ["realtime", "openai-insecure-api-key.hm_app"]})):
            until(lambda: opens(path, **options), "the stream before it is gone")

        def refused(key):
            with Messages(server, "/v1/realtime", additional_headers=bearer(key)) as session:
                return session.close_code(), session.seen[0]["error"]["code"]

        assert refused("hm_ops") == (1008, "key_forbidden")
        with Messages(server, "/ws/live-listener?token=hm_app") as first:
            first.send({"type": "start", "session_id": "a", "sample_rate": 16000, "format": "pcm_s16le", "channels": 1})
            first.until("status", state="streaming")
            assert refused("hm_app") == (1013, "rate_limited")
        until(lambda: opens("/v1/realtime", additional_headers=bearer("hm_app")), "the stream before it is gone")
        assert metric(server, 'hotmic_key_requests_total{key="app",status="101"}') == 6
        assert 'caller=app path="/v1/realtime"' in server.log()
        assert "hm_app" not in server.log()


def test_so_many_requests_under_way_and_no_more(keyed):
    with keyed(section("app", "hm_app", max_requests=1) + section("other", "hm_other"), "infer_ms=60000,text=hello") as server:
        server.wait_ready()

        def ask():
            with pytest.raises(openai.APIError):  # the server ends before it is heard
                transcribe(server, "hm_app")

        asking = threading.Thread(target=ask)
        asking.start()
        server.until("busy")
        with pytest.raises(openai.RateLimitError, match="app has 1 requests under way") as limited:
            transcribe(server, "hm_app")
        assert limited.value.response.headers["retry-after"] == "1"
        assert server.request("/v2/models/default/infer", "POST", b"{}", bearer("hm_app")).status == 429
        assert server.request("/v2/models/default/infer", "POST", b"{}", bearer("hm_other")).status == 400
        server.process.kill()
        asking.join()


def test_what_was_refused_takes_no_place(keyed):
    with keyed(section("app", "hm_app", max_requests=1), "text=hello") as server:
        server.wait_ready()
        for _ in range(20):
            with pytest.raises(openai.NotFoundError):
                client(server, "hm_app").audio.transcriptions.create(model="nobody", file=CLIP)
            with pytest.raises(openai.BadRequestError):
                client(server, "hm_app").audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no audio"))
            assert transcribe(server, "hm_app").text == "hello"


def test_keys_are_replaced_by_sighup_under_load_without_one_failed_request(keyed, home):
    with keyed(section("app", "hm_1"), "text=hello") as server:
        server.wait_ready()
        current, done, failures = ["hm_1"], threading.Event(), []
        asked = [0]

        def ask():
            while not done.is_set():
                try:
                    transcribe(server, current[0])
                    asked[0] += 1
                except openai.OpenAIError as problem:
                    failures.append(problem)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        for number in range(1, 6):
            old, new = f"hm_{number}", f"hm_{number + 1}"
            (home / "keys.toml").write_text(section("app", old, new))
            reload(server)
            current[0] = new
            before = asked[0]
            until(lambda: asked[0] >= before + 2 * len(askers), "everybody has asked with the new key")
            (home / "keys.toml").write_text(section("app", new))
            reload(server)
            with pytest.raises(openai.AuthenticationError):
                transcribe(server, old)
        done.set()
        for asker in askers:
            asker.join()
        assert not failures
        assert metric(server, 'hotmic_key_requests_total{key="app",status="200"}') == asked[0]
        assert metric(server, 'hotmic_key_audio_seconds_total{key="app"}') > asked[0]


def test_a_bad_file_leaves_the_old_keys_in_force(keyed, home, error_of):
    with keyed(section("app", "hm_app") + section("ops", "hm_ops", scopes=["admin"])) as server:
        server.wait_ready()
        (home / "keys.toml").write_text("[keys.app]\nsha256 = 'hm_app'\n")
        reload(server)
        assert "the keys stay as they were code=config_invalid" in server.log() and "line 2, column 10" in server.log()
        assert metric(server, 'hotmic_errors_total{code="config_invalid"}') == 1
        error = error_of(server.request("/admin/reload", "POST", b"", bearer("hm_ops")), 400, "config_invalid")
        assert "keys.app.sha256 is not 64 hexadecimal digits" in error["message"] and error["param"] == "server.keys_file"
        assert "hm_app" not in server.log()
        assert transcribe(server, "hm_app").text
        (home / "keys.toml").write_text(section("ops", "hm_ops", scopes=["admin"], expires="2199-01-01"))
        assert server.request("/admin/reload", "POST", b"", bearer("hm_ops")).status == 202
        assert server.request("/v1/models", headers=bearer("hm_app")).status == 401
        metrics = server.request("/metrics").text
        assert 'hotmic_key_expires_timestamp_seconds{key="ops"} 7226582400\n' in metrics and 'key="app"' not in metrics


def test_a_key_that_expires_while_the_server_runs_is_refused_from_then_on(keyed):
    soon = datetime.now(timezone.utc) + timedelta(seconds=2)
    with keyed(section("app", "hm_app", expires=soon.strftime("%Y-%m-%dT%H:%M:%SZ")), "text=hello") as server:
        server.wait_ready()
        until(lambda: server.request("/v1/models", headers=bearer("hm_app")).status == 401, "the key has expired")


@pytest.mark.parametrize(("text", "says"), [
    ("[keys.app]\nscopes = ['transcribe']\n", "keys.app has no sha256"),
    (section("app", "k", scopes=["root"]), 'there is no scope "root"'),
    (section("app", "k") + section("other", "k"), "holds a digest of keys.app, too"),
    (section("app", "k", max_request=1), "did you mean max_requests?"),
    (section("app", "configured"), "server.api_keys.1 is also keys.app"),
    ("[keys", "line 1, column"),
    (None, "keys.toml cannot be read: No such file or directory"),
])
def test_a_bad_file_ends_the_start(hotmic, home, text, says):
    if text is not None:
        (home / "keys.toml").write_text(text)
    outcome = hotmic("serve", "--port", 0, "--set", "server.keys_file=keys.toml", "--set", "server.api_keys=configured")
    assert outcome.code == 7 and says in outcome.err


def test_the_file_may_be_a_credential(fake, home):
    (home / "credentials").mkdir()
    (home / "credentials/server.keys_file").write_text(section("app", "hm_app"))
    with fake("", env={"CREDENTIALS_DIRECTORY": home / "credentials"}) as server:
        server.wait_ready()
        assert server.request("/v1/models").status == 401
        assert server.request("/v1/models", headers=bearer("hm_app")).status == 200


def test_hotmic_key_makes_keys_that_the_server_takes(fake, hotmic, home):
    file = home / "keys.toml"
    made = hotmic("key", "app", "--requests-per-minute", 100, "--expires", "30d", "--add", file)
    assert made.code == 0 and made.out.startswith("hm_") and len(made.out.strip()) == 46
    assert made.out.strip() not in file.read_text() and made.out.strip() not in made.err
    printed = hotmic("key", "ops", "--scope", "admin,metrics")
    assert printed.err.startswith("hm_") and "hm_" not in printed.out
    with file.open("a") as more:
        more.write("\n# by hand\n" + printed.out)
    second = hotmic("key", "app", "--add", file)
    assert second.code == 0 and "keys.app is 2 keys now" in second.err and "# by hand" in file.read_text()
    assert oct(file.stat().st_mode & 0o777) == "0o644"
    ops = printed.err.splitlines()[0]
    with fake("text=hello", "--set", "server.keys_file=keys.toml") as server:
        server.wait_ready()
        for key in (made.out.strip(), second.out.strip()):
            done = hotmic("transcribe", "--server", server.url, "--key", key, CLIP)
            assert (done.code, done.out) == (0, "hello\n"), done.err
            assert hotmic("transcribe", "--server", server.url, CLIP, env={"HOTMIC_API_KEY": key}).code == 0
        assert hotmic("models", "--server", server.url, "--admin-key", ops).code == 0
        assert hotmic("status", "--server", server.url, "--admin-key", ops).code == 0
        refused = hotmic("transcribe", "--server", server.url, "--key", ops, CLIP)
        assert refused.code == 3 and "has not the scope transcribe" in refused.err
        assert server.request("/metrics", headers=bearer(ops)).status == 200


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (["a b"], 3, '"a b" cannot be the name of a key'),
    (["app", "--scope", "root"], 2, "root"),
    (["app", "--expires", "tomorrow"], 3, '--expires: "tomorrow" is no moment'),
    (["app", "--expires", "2027-13-01"], 3, "is no moment"),
    (["app", "--max-requests", "-1"], 2, "--max-requests"),
    (["app", "--add", "no/where/keys.toml"], 1, "cannot be written: No such file or directory"),
    (["app", "--add", "bad.toml"], 7, "there is no section server"),
    (["app", "--max-streams", "1", "--add", "good.toml"], 3, "keys.app is in good.toml already"),
])
def test_hotmic_key_says_what_is_wrong(hotmic, home, arguments, code, says):
    (home / "bad.toml").write_text("[server]\n")
    (home / "good.toml").write_text(section("app", "hm_app"))
    outcome = hotmic("key", *arguments)
    assert outcome.code == code and says in outcome.err and not outcome.out, outcome
    assert (home / "bad.toml").read_text() == "[server]\n" and (home / "good.toml").read_text() == section("app", "hm_app")
