"""Downloads as a part of serving: told truthfully while they last, and never in the way of what serves."""

import hashlib
import json

import pytest
from hotmic_py import CLIP, Server, make_whisper_model, settings, until

QUICK = settings(default={"warmup.level": 0})


@pytest.fixture
def env():
    return {"no_proxy": "127.0.0.1,localhost", "HF_ENDPOINT": "http://127.0.0.1:1"}


@pytest.fixture
def model(home):
    """The bytes of a model that says "hello warm world"."""
    return make_whisper_model(home / "made.bin", "tiny.en").read_bytes()


def test_a_model_that_is_not_here_is_loading_with_its_download_told_then_ready(home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(len(model) // 30, 0.1)]
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    with Server("--model", "mine", *flags, *QUICK, home=home, env=env) as server:
        def told():
            health = server.request("/health")
            return health if health.json().get("eta_seconds") else None

        health = until(told, "the download is told")
        body = health.json()
        assert health.status == 503 and body["model_state"] == "LOADING" and "downloading" in body["reason"]
        assert 0 < body["progress"] < 1 and int(health.headers.get("Retry-After") or health.headers["retry-after"]) >= 1
        assert server.request("/model-status").json()["health"]["download_in_progress"] is True
        ready = server.request("/readyz")
        assert ready.status == 503 and "downloading" in ready.text
        server.wait_ready()
        assert server.request("/model-status").json()["health"]["download_in_progress"] is False
        assert server.transcribe().json()["text"] == "hello warm world"
        assert server.stop() == 0
    assert len(web.requests) == 1
    with Server("--model", "mine", *flags, *QUICK, home=home, env=env) as server:  # it is here now
        server.wait_ready()
    assert len(web.requests) == 1


def test_a_fallback_that_is_here_serves_while_another_downloads(home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(1000, 0.1)]  # for longer than the test lasts
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    both = settings(default={"path": "mine", "warmup.level": 0, "fallback": "spare"}, spare={"path": home / "made.bin", "warmup.level": 0})
    with Server(*flags, *both, home=home, env=env) as server:
        server.wait_ready("spare")
        until(lambda: "downloading" in server.request("/health").json().get("reason", ""), "the download is told as the reason")
        health = server.request("/health").json()
        assert health["status"] == "degraded" and health["served_by"] == "spare"
        assert server.request("/readyz").status == 200
        assert server.transcribe().status == 200


def test_what_cannot_be_had_is_an_error_and_the_server_goes_on(home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model[::-1]
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    with Server("--model", "mine", *flags, *QUICK, home=home, env=env) as server:
        server.wait_for("→ ERROR")
        body = server.request("/health").json()
        assert body["error_code"] == "checksum_mismatch" and "mine could not be downloaded" in body["reason"]
        assert server.request("/livez").status == 200


def swap(server, path):
    job = server.request("/admin/models/default/swap", "POST", json.dumps({"path": path}).encode(), {"Content-Type": "application/json"})
    assert job.status == 202, job.text
    name = job.json()["job"]["id"]
    return until(lambda: (now := server.request(f"/admin/jobs/{name}").json()["job"])["state"] != "running" and now, "the job has ended")


def test_an_upgrade_is_pulled_beside_and_a_wrong_one_leaves_the_old_one_serving(home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model[::-1]
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    with Server("--model", home / "made.bin", *flags, *QUICK, home=home, env=env) as server:
        server.wait_ready()
        before = server.request("/model-status").json()["health"]["instance"]
        failed = swap(server, "mine")
        assert failed["state"] == "failed" and failed["error"]["code"] == "checksum_mismatch"
        assert server.request("/model-status").json()["health"]["instance"] == before and server.transcribe().status == 200
        web.files["/m/a.bin"] = model
        assert swap(server, "mine")["state"] == "succeeded"
        assert server.request("/model-status").json()["health"]["instance"] != before and server.transcribe().status == 200


def test_an_unload_ends_a_download(home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(1000, 0.1)]
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    with Server("--model", "mine", *flags, *QUICK, home=home, env=env) as server:
        until(lambda: server.request("/model-status").json()["health"]["download_in_progress"], "it downloads")
        assert server.request("/admin/models/default/unload", "POST").status == 202
        server.wait_for("→ UNINITIALIZED")
        assert server.stop() == 0


def test_offline_it_is_an_error_and_nothing_is_asked(home, web, model, catalogue, env):
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    with Server("--model", "mine", *flags, *QUICK, home=home, env=env | {"HOTMIC_OFFLINE": "1"}) as server:
        server.wait_for("→ ERROR")
        assert server.request("/health").json()["error_code"] == "offline" and web.requests == []


def test_a_name_in_a_file_is_a_name_and_no_path_beside_it(hotmic, home, web, model, catalogue, env):
    web.files["/m/a.bin"] = model
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    (home / "etc").mkdir()
    (home / "etc/hotmic.toml").write_text('[models.default]\npath = "mine"\n')
    config = ["--config", home / "etc/hotmic.toml"]
    assert hotmic("config", "--json", *config, *flags).json()["config"]["models"]["default"]["path"] == "mine"
    (home / "etc/mine").write_text("a file of that name")
    assert hotmic("config", "--json", *config, *flags).json()["config"]["models"]["default"]["path"] == str(home / "etc/mine")


def test_transcribe_takes_what_was_pulled_by_name_or_by_itself(hotmic, home, web, model, catalogue):
    web.files["/m/a.bin"] = model
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    assert "`hotmic pull base`" in json.dumps(hotmic("doctor", "--port", "0", "--json").json())
    assert hotmic("transcribe", "--model", "mine", CLIP, *flags).out.strip() == "hello warm world"
    assert hotmic("transcribe", CLIP).out.strip() == "hello warm world"  # the largest that is here
    digest = hashlib.sha256(model).hexdigest()
    told = hotmic("warmup", "--json", "--level", "0").json()
    assert told["path"].endswith(f"mine-{digest[:12]}/a.bin")


def test_where_only_pocketsphinx_is_the_command_that_gets_a_better_one_is_said(hotmic, home, env):
    done = hotmic("transcribe", CLIP)
    assert done.code == 0 and done.out.strip() and "`hotmic pull base` gets one that hears better" in done.err
    assert hotmic("transcribe", "--provider", "pocketsphinx", CLIP).err == ""  # who wants it is told nothing
    with Server(*QUICK, home=home, env=env) as server:
        server.wait_for(r"model default: .*`hotmic pull base` gets one that hears better")
