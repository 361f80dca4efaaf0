"""Jobs: recordings that are recognized while nobody waits."""

import contextlib
import http.server
import os
import threading
from pathlib import Path

import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, settings, until
from job_client import LONG, SECRET, accepted, ended, job_of, recordings, result_of, submit, until_status
from raw_http import exchange, form, post, statuses


@contextlib.contextmanager
def web(answers):
    """A web server with these answers by path: (status, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "verbose_json"])
def test_a_job_yields_what_the_request_would_have_been_answered_with(keeping, folder, response_format):
    with ended(keeping()) as server:
        job = until_status(server, accepted(submit(server, response_format=response_format, language="en")), "succeeded")
        assert job["object"] == "transcription.job" and job["task"] == "transcribe" and job["file_name"] == CLIP.name
        assert job["created_at"] <= job["started_at"] <= job["finished_at"] and job["model"] == "default"
        assert "position" not in job and "error" not in job and "webhook" not in job
        result, at_once = result_of(server, job["id"]), server.transcribe(response_format=response_format, language="en")
        assert result.body == at_once.body and FAKE_TEXT in result.text
        assert result.headers["content-type"] == at_once.headers["content-type"]
        assert result.headers["x-hotmic-model"] == at_once.headers["x-hotmic-model"]
        assert recordings(folder) == []
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_keeps_no_jobs_says_how_it_would(ready, error_of):
    for method, path in [("GET", "/v1/jobs"), ("GET", "/v1/jobs/job_1"), ("GET", "/v1/jobs/job_1/result"), ("DELETE", "/v1/jobs/job_1")]:
        assert "jobs.dir" in error_of(ready.request(path, method), 501, "jobs_disabled")["message"]
    error_of(submit(ready), 501, "jobs_disabled")


def test_a_model_that_is_not_ready_yet_is_waited_for(keeping):
    with keeping(f"text={FAKE_TEXT}&load_ms=3000") as server:
        id = accepted(submit(server))
        assert job_of(server, id)["status"] in ("queued", "running")
        result_of(server, id)


def test_what_is_wrong_with_a_recording_is_the_jobs_error(keeping, error_of, tmp_path):
    (tmp_path / "noise.bin").write_bytes(os.urandom(5000))
    with keeping() as server:
        server.wait_ready()
        id = accepted(submit(server, tmp_path / "noise.bin"))
        assert until_status(server, id, "failed")["error"]["code"] == "audio_undecodable"
        error_of(server.request(f"/v1/jobs/{id}/result"), 400, "audio_undecodable")


def test_an_engine_that_dies_under_a_job_each_time_ends_it(keeping, tmp_path):
    with keeping("crash=infer") as server:
        server.wait_ready()
        job = until_status(server, accepted(submit(server)), "failed")
        assert job["error"]["code"] in ("poison_request", "model_lost")


def test_jobs_can_be_cancelled_and_removed(keeping, folder, error_of):
    with keeping(LONG) as server:
        server.wait_ready()
        running, queued = accepted(submit(server)), accepted(submit(server))
        until_status(server, running, "running")
        error = error_of(server.request(f"/v1/jobs/{running}/result"), 409, "job_not_finished")
        assert "running" in error["message"]
        answer = server.request(f"/v1/jobs/{queued}", "DELETE")
        assert answer.status == 200 and answer.json()["status"] == "cancelled"
        assert recordings(folder) == [running]
        answer = server.request(f"/v1/jobs/{running}", "DELETE")
        assert answer.status == 202 and (answer.json()["status"] == "cancelled" or answer.json()["cancelling"])
        until_status(server, running, "cancelled")
        until(lambda: recordings(folder) == [], "its recording is gone")
        error_of(server.request(f"/v1/jobs/{running}/result"), 409, "job_not_finished")
        until(lambda: 'hotmic_slots{model="default",use="busy"} 0' in server.request("/metrics").text.splitlines(), "its slot is free")
        for id in running, queued:
            assert server.request(f"/v1/jobs/{id}", "DELETE").json() == {"id": id, "object": "transcription.job", "deleted": True}
            error_of(server.request(f"/v1/jobs/{id}"), 404, "job_not_found")
        assert server.request("/v1/jobs").json() == {"object": "list", "data": [], "has_more": False}


def test_requests_go_before_jobs(keeping):
    with keeping(f"text={FAKE_TEXT}&infer_ms=200", "--set", "jobs.parallel=2") as server:
        server.wait_ready()
        ids = [accepted(submit(server)) for _ in range(4)]
        until_status(server, ids[0], "running")
        assert server.transcribe().status == 200
        assert job_of(server, ids[-1])["status"] != "succeeded"
        for id in ids:
            result_of(server, id)


def test_the_same_idempotency_key_is_the_same_job(keeping, error_of):
    with keeping(LONG) as server:
        server.wait_ready()
        key = {"Idempotency-Key": "my key/1"}
        first = accepted(submit(server, headers=key, language="en"))
        again = submit(server, headers=key, language="en")
        assert again.status == 200 and again.json()["id"] == first
        error_of(submit(server, headers=key, language="de"), 422, "idempotency_mismatch")
        error_of(submit(server, Path(__file__), headers=key, language="en"), 422, "idempotency_mismatch")
        accepted(submit(server, headers={"Idempotency-Key": "my key/2"}, language="en"))
        error_of(submit(server, headers={"Idempotency-Key": "k" * 256}), 400, "invalid_request")
        assert len(server.request("/v1/jobs").json()["data"]) == 2


def test_how_many_are_kept_is_bounded(keeping, folder, error_of):
    size = CLIP.stat().st_size
    with keeping(LONG, max_jobs=3, max_bytes=2 * size + 100) as server:
        server.wait_ready()
        ids = [accepted(submit(server)) for _ in range(2)]
        assert "jobs.max_bytes" in error_of(submit(server), 429, "queue_full")["message"]
        server.request(f"/v1/jobs/{ids[1]}", "DELETE")
        ids.append(accepted(submit(server)))
        assert "jobs.max_jobs" in error_of(submit(server), 429, "queue_full")["message"]
        assert recordings(folder) == sorted([ids[0], ids[2]])


def test_all_are_listed_page_by_page(keeping, error_of):
    with keeping(LONG) as server:
        server.wait_ready()
        ids = [accepted(submit(server)) for _ in range(25)]
        found, after = [], ""
        while True:
            page = server.request(f"/v1/jobs?limit=10{after}").json()
            found += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        assert found == ids[::-1]
        assert len(server.request("/v1/jobs").json()["data"]) == 20
        until_status(server, ids[0], "running")
        assert [job["id"] for job in server.request("/v1/jobs?status=running").json()["data"]] == [ids[0]]
        for query in "limit=0", "limit=101", "limit=-1", "limit=x", "limit=1x", "status=done":
            error_of(server.request(f"/v1/jobs?{query}"), 400, "invalid_request")
        error_of(server.request("/v1/jobs?after=job_0"), 404, "job_not_found")


def test_what_strangers_send_is_refused_by_name(keeping, folder, error_of):
    with keeping(webhook_secret=SECRET, webhook_hosts='["example.com"]') as server:
        server.wait_ready()
        for fields, param in [({"stream": "true"}, "stream"), ({"nonsense": "1"}, "nonsense"), ({"task": "sing"}, "task"), ({"url": "https://example.com/"}, "url"),
                              ({"webhook": "https://example.org/"}, "webhook"), ({"webhook": "http://example.com/"}, "webhook"),
                              ({"webhook": "https://user@example.com/"}, "webhook"), ({"webhook": "x" * 5000}, "webhook"), ({"response_format": "x"}, "response_format")]:
            answer = submit(server, **fields)
            assert answer.status == 400 and answer.json()["error"]["param"] == param, answer.text
        error_of(submit(server, model="nobody"), 404, "model_not_found")
        error_of(submit(server, None, task="transcribe"), 400, "missing_file")
        two = form(*2 * [('Content-Disposition: form-data; name="task"', b"transcribe")], ('Content-Disposition: form-data; name="file"; filename="a"', b"x"))
        assert statuses(exchange(server, post(two, path="/v1/jobs"))) == [400]
        for id in "x", "job_", "..", "%2e%2e", "'%20OR%201=1--", "j" * 3000, "%ff":
            assert server.request(f"/v1/jobs/{id}").status == 404
            assert server.request(f"/v1/jobs/{id}", "DELETE").status == 404
            assert server.request(f"/v1/jobs/{id}/result").status == 404
        assert server.request("/v1/jobs/a/b/c").status == 404
        assert server.request("/v1/jobs", "PUT").status == 405
        assert recordings(folder) == [] and server.request("/v1/jobs").json()["data"] == []


def test_a_key_sees_its_own_jobs_only(keeping, error_of):
    with keeping(f"text={FAKE_TEXT}", "--set", "server.api_keys=anna,bert", "--set", "server.admin_key=root") as server:
        anna, bert, root = ({"Authorization": f"Bearer {key}"} for key in ("anna", "bert", "root"))
        error_of(submit(server), 401, "unauthorized")
        error_of(server.request("/v1/jobs"), 401, "unauthorized")
        id = accepted(submit(server, headers=anna | {"Idempotency-Key": "1"}))
        other = accepted(submit(server, headers=bert | {"Idempotency-Key": "1"}))
        until(lambda: job_of(server, id, headers=anna)["status"] == "succeeded", "it has succeeded")
        for method, path in [("GET", ""), ("GET", "/result"), ("DELETE", "")]:
            error_of(server.request(f"/v1/jobs/{id}{path}", method, headers=bert), 404, "job_not_found")
        assert [job["id"] for job in server.request("/v1/jobs", headers=bert).json()["data"]] == [other]
        assert [job["id"] for job in server.request("/v1/jobs", headers=root).json()["data"]] == [other, id]
        error_of(server.request(f"/v1/jobs?after={other}", headers=anna), 404, "job_not_found")


def test_a_recording_is_fetched_from_a_url_of_an_allowed_host(keeping, folder):
    answers = {"/clip": (200, {}, CLIP.read_bytes()), "/gone": (404, {}, b"no"), "/away": (302, {"Location": "/clip"}, b""), "/none": (200, {}, b""),
               "/large": (200, {}, bytes(3 << 20))}
    with web(answers) as url, keeping(f"text={FAKE_TEXT}", "--set", "server.max_body_bytes=1000000", url_hosts='["127.0.0.1"]') as server:
        server.wait_ready()
        assert FAKE_TEXT in result_of(server, accepted(submit(server, None, url=f"{url}/clip"))).text
        for path, code in [("/gone", "recording_unreachable"), ("/away", "recording_unreachable"), ("/none", "audio_empty"), ("/large", "body_too_large")]:
            assert until_status(server, accepted(submit(server, None, url=url + path)), "failed")["error"]["code"] == code
        assert submit(server, url=f"{url}/clip").status == 400  # a file as well
        assert submit(server, None, url="http://localhost/").status == 400
        until(lambda: recordings(folder) == [], "nothing is left of them")


def test_several_models_run_each_their_own_jobs(fake, folder):
    with fake("text=one", *settings(default={"required": "true"}, second={"provider": "fake", "path": "fake:text=two", "warmup.level": 0}), "--set", f"jobs.dir={folder}") as server:
        ids = [accepted(submit(server, model=model, response_format="text")) for model in ("second", "default")]
        assert [result_of(server, id).text.strip() for id in ids] == ["two", "one"]
