"""`hotmic models`, `load`, `unload` and `swap` against answers of every kind; the real server is in test_admin.py."""

import json
import socket

import pytest
from fake_admin import FakeAdmin


def job(state="running", **more):
    return {"job": {"id": "job-1", "kind": "swap", "model": "default", "state": state, "step": "loading", "instance": "inst-2",
                    "error": None, "began": "2026-01-01T00:00:00Z", "duration_ms": 1234.5} | more}


MODELS = {"models": [
    {"name": "default", "aliases": ["whisper-1"], "required": True, "state": "READY", "ready": True, "provider": "whisper_cpp",
     "instance": "inst-1", "reason": "", "resident_bytes": 247_000_000, "requests": 12, "successor": None, "fallback": ["b"],
     "served_by": "default"},
    {"name": "b", "aliases": [], "required": False, "state": "ERROR", "ready": False, "provider": None, "instance": None,
     "reason": "b.bin ends early", "resident_bytes": 0, "requests": 0, "successor": {"state": "LOADING"}, "fallback": [],
     "served_by": None},
]}


def test_models_are_listed_with_what_is_remarkable(hotmic):
    with FakeAdmin({"GET /admin/models": (200, MODELS)}) as server:
        shown = hotmic("models", "--server", server.url)
        assert shown.code == 0, shown.err
        header, default, other = shown.out.splitlines()
        assert header.split() == ["model", "state", "provider", "memory", "requests", "instance"]
        assert default.split() == ["default", "READY", "whisper_cpp", "247", "MB", "12", "inst-1"]
        assert other.split()[:3] == ["b", "ERROR", "-"]
        assert "a successor is being made ready; b.bin ends early" in other
        assert hotmic("models", "--server", server.url, "--json").json() == MODELS
        assert shown.err == ""


def test_the_key_and_the_address_come_from_flags_or_the_environment(hotmic):
    with FakeAdmin({"GET /admin/models": (200, MODELS), "GET /behind/admin/models": (200, MODELS)}) as server:
        assert hotmic("models", env={"HOTMIC_SERVER_URL": server.url, "HOTMIC_ADMIN_KEY": "sesame"}).code == 0
        assert hotmic("models", "--server", server.url + "/behind/", "--admin-key", "other").code == 0
        assert hotmic("models", "--server", server.url).code == 0
        assert [key for _, key, _ in server.seen] == ["Bearer sesame", "Bearer other", None]


def test_a_swap_tells_each_step_and_ends_with_the_job(hotmic, home):
    (home / "new.bin").write_text("model")
    with FakeAdmin({
        "POST /admin/models/default/swap": (202, job(duration_ms=1)),
        "GET /admin/jobs/job-1": [(200, job()), (200, job(step="warming up")), (200, job(step="warming up")),
                                  (200, job("succeeded", step="done", duration_ms=4600))],
    }) as server:
        done = hotmic("swap", "default", "--path", "new.bin", "--provider", "whisper_cpp", "--strategy", "beside", "--set", "slots=2",
                      "--set", "warmup.level=1", "--set", "flash_attention=false", "--set", "warmup.ready_if.rtf_p95_below=0.5",
                      "--server", server.url)
        assert done.code == 0, done.err
        assert done.out == "default: swapped and READY in 4.60 s (inst-2)\n"
        assert [line.split("s  ")[1] for line in done.err.splitlines()] == ["loading", "warming up", "done"]
        # A file that is here is named so that the server finds it; values have the types of their keys.
        assert server.seen[0][2] == {"path": str(home / "new.bin"), "provider": "whisper_cpp", "strategy": "beside", "slots": 2,
                                     "warmup.level": 1, "flash_attention": False, "warmup.ready_if.rtf_p95_below": 0.5}


def test_a_path_that_is_not_here_is_the_servers_to_find(hotmic):
    with FakeAdmin({"POST /admin/models/default/swap": (202, job())}) as server:
        done = hotmic("swap", "default", "--path", "models/far.bin", "--no-wait", "--server", server.url)
        assert (done.code, done.out) == (0, "job-1\n")
        assert server.seen == [("POST /admin/models/default/swap", None, {"path": "models/far.bin"})]


@pytest.mark.parametrize(
    "code, exit_code",
    [("model_truncated", 5), ("insufficient_memory", 5), ("config_invalid", 7), ("shutting_down", 6), ("never_heard_of", 1)],
)
def test_a_job_that_fails_exits_as_its_error_does(hotmic, code, exit_code):
    failed = job("failed", error={"code": code, "message": "it ends early", "remedy": "the old model serves"})
    with FakeAdmin({"POST /admin/models/default/swap": (202, failed)}) as server:
        done = hotmic("swap", "default", "--path", "x", "--server", server.url)
        assert done.code == exit_code
        assert "hotmic: default: it ends early; the old model serves" in done.err
        assert done.out == ""


def test_a_superseded_swap_says_so(hotmic):
    with FakeAdmin({"POST /admin/models/default/swap": (202, job("superseded"))}) as server:
        done = hotmic("swap", "default", "--path", "x", "--server", server.url)
        assert done.code == 6 and "a newer request has taken the place of job-1" in done.err


@pytest.mark.parametrize("command, word", [("load", "READY"), ("unload", "unloaded")])
def test_load_and_unload(hotmic, command, word):
    with FakeAdmin({f"POST /admin/models/b/{command}": (202, job()), "GET /admin/jobs/job-1": (200, job("succeeded"))}) as server:
        done = hotmic(command, "b", "--server", server.url)
        assert done.code == 0 and done.out == f"default: {word} in 1.23 s (inst-2)\n".replace("default", "b")
        assert server.seen[0][2] is None


def test_refusals_are_told_in_the_servers_words(hotmic):
    refusal = {"error": {"message": "the admin key is missing or wrong", "type": "authentication_error", "param": None, "code": "unauthorized"}}
    unknown = {"error": {"message": 'there is no model "x"; this server has: default', "code": "model_not_found", "param": "model"}}
    with FakeAdmin({"GET /admin/models": (401, refusal), "POST /admin/models/x%20y/load": (404, unknown)}) as server:
        done = hotmic("models", "--server", server.url)
        assert done.code == 3
        assert "the admin key is missing or wrong" in done.err and "--admin-key" in done.err
        done = hotmic("load", "x y", "--server", server.url)
        assert done.code == 3 and "this server has: default" in done.err


@pytest.mark.parametrize("answer", [(200, "<html>"), (502, "<html>"), (200, {"models": 3})])
def test_what_is_no_hotmic_is_named(hotmic, answer):
    with FakeAdmin({"GET /admin/models": answer}) as server:
        done = hotmic("models", "--server", server.url)
        assert done.code == 6
        assert server.url in done.err and "--server" in done.err


def test_no_server_at_all(hotmic):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = hotmic("models", "--server", url)
    assert done.code == 6
    assert f"no server answers at {url}" in done.err and "hotmic serve" in done.err
    assert done.out == ""


def test_a_server_that_goes_away_while_a_job_runs(hotmic):
    with FakeAdmin({"POST /admin/models/default/load": (202, job())}) as server:
        done = hotmic("load", "default", "--server", server.url)
        assert done.code == 3 and "no such path" in done.err  # started anew, it does not know the job


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["models", "--server", "telepathy"], 3, "looks like http://127.0.0.1:8090"),
        (["models", "--server", "ftp://x"], 3, "looks like http://127.0.0.1:8090"),
        (["swap", "default", "--set", "slot=2"], 7, "did you mean slots?"),
        (["swap", "default", "--set", "slots=many"], 7, "expected an integer from 0 to 256"),
        (["swap", "default", "--set", "slots"], 2, "KEY=VALUE"),
        (["swap", "default", "--strategy", "fast"], 2, "fast"),
        (["swap"], 2, "name is required"),
        (["load"], 2, "name is required"),
    ],
)
def test_mistakes_are_found_before_any_server_is_asked(hotmic, arguments, code, says):
    done = hotmic(*arguments, env={"HOTMIC_SERVER_URL": "http://127.0.0.1:9"})
    assert done.code == code, done.err
    assert says in done.err


def test_json_is_what_the_server_says(hotmic):
    told = json.dumps(MODELS | {"more": "that this client does not know"})
    with FakeAdmin({"GET /admin/models": (200, told)}) as server:
        assert hotmic("models", "--json", "--server", server.url).json()["more"]
        assert hotmic("models", "--server", server.url).code == 0


def test_status_shows_models_slots_and_events(hotmic, home):
    import hotmic_py
    with hotmic_py.Server("--provider", "fake", "--model", "fake:slots=3", "--level", "0", home=home, name="hotmic-faults") as server:
        server.wait_ready()
        shown = hotmic("status", "--server", server.url)
        assert shown.code == 0
        for part in ("default  READY  fake", "slots □□□", "UNINITIALIZED → LOADING", "LOADING → READY"):
            assert part in shown.out


def test_status_watch_tells_events_as_they_happen(home):
    import subprocess
    import hotmic_py
    with hotmic_py.Server("--provider", "fake", "--model", "fake:", "--level", "0", home=home, name="hotmic-faults") as server:
        server.wait_ready()
        with subprocess.Popen([hotmic_py.program("hotmic"), "status", "--watch", "--server", server.url], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=hotmic_py.environment(home), text=True) as watch:
            assert "UNINITIALIZED → LOADING" in watch.stdout.readline()
            assert "LOADING → READY" in watch.stdout.readline()
            server.request("/admin/models/default/unload", "POST", b"")
            assert "READY → UNLOADING" in watch.stdout.readline()
            assert "UNLOADING → UNINITIALIZED" in watch.stdout.readline()
            server.stop()
            assert watch.wait(hotmic_py.PATIENCE) == 6, "the server is gone"
