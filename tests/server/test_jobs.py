"""Jobs: recordings that are recognized while nobody waits, and that neither a restart nor a crash loses."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import resource
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from conftest import FAKE_TEXT
from hotmic_py import CLIP, free_port, settings, until
from raw_http import exchange, form, post, statuses

KEY = os.urandom(32)
SECRET = "whsec_" + base64.b64encode(KEY).decode()
LONG = "infer_ms=60000"  # an inference that does not end by itself while a test waits


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "jobs"


@pytest.fixture
def keeping(fake, folder):
    """keeping("infer_ms=50", max_jobs=2) is a server that keeps jobs, not yet entered."""

    def make(script=f"text={FAKE_TEXT}", *arguments, **keys):
        return fake(script, *[flag for key, value in ({"dir": folder} | keys).items() for flag in ("--set", f"jobs.{key}={value}")], *arguments)

    return make


@contextlib.contextmanager
def ended(server):
    """Ready, and at the end stopped as it should be."""
    with server:
        yield server.wait_ready()
        assert server.stop() == 0, server.log()


def submit(server, file=CLIP, headers=None, **fields):
    """Posts a job, with a file unless it is None."""
    parts = [(f'Content-Disposition: form-data; name="{name}"', str(value).encode()) for name, value in fields.items()]
    if file is not None:
        parts.append((f'Content-Disposition: form-data; name="file"; filename="{Path(file).name}"', Path(file).read_bytes()))
    return server.request("/v1/jobs", "POST", form(*parts), {"Content-Type": "multipart/form-data; boundary=b"} | (headers or {}))


def accepted(answer):
    assert answer.status == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job["id"]


def job_of(server, id, **more):
    answer = server.request(f"/v1/jobs/{id}", **more)
    assert answer.status == 200, answer.text
    return answer.json()


def until_status(server, id, *wanted):
    def look():
        job = job_of(server, id)
        return job if job["status"] in wanted else None

    return until(look, f"{id} is {wanted}")


def result_of(server, id):
    until_status(server, id, "succeeded")
    answer = server.request(f"/v1/jobs/{id}/result")
    assert answer.status == 200, answer.text
    return answer


def recordings(folder):
    return sorted(each.name for each in (folder / "recordings").iterdir())


class Receiver:
    """Hears webhooks. Answers with these statuses, then with 200."""

    def __init__(self, *statuses, port=0):
        self.heard = []
        left = list(statuses)
        mine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mine.heard.append((dict(self.headers), body))
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


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


def test_nothing_is_lost_when_the_server_is_killed(keeping, folder):
    with keeping(LONG) as server:
        server.wait_ready()
        running = accepted(submit(server))
        until_status(server, running, "running")
        queued = [accepted(submit(server, response_format="text")) for _ in range(3)]
        assert [job_of(server, each)["position"] for each in queued] == [1, 2, 3]
        server.process.kill()
        server.process.wait()
    assert recordings(folder) == sorted([running, *queued])
    with keeping() as server:
        assert FAKE_TEXT in result_of(server, running).text
        for each in queued:
            assert result_of(server, each).text.strip() == FAKE_TEXT
        jobs = server.request("/v1/jobs").json()["data"]
        assert [job["id"] for job in jobs] == [*reversed(queued), running]
        began = [job["started_at"] for job in reversed(jobs)]
        assert began == sorted(began)


def test_a_job_that_kills_the_server_every_time_ends(keeping, error_of):
    id = None
    for _ in range(3):
        with keeping(LONG) as server:
            server.wait_ready()
            id = id or accepted(submit(server))
            until_status(server, id, "running")
            server.process.kill()
            server.process.wait()
    with keeping() as server:
        assert job_of(server, id)["status"] == "failed"
        error_of(server.request(f"/v1/jobs/{id}/result"), 500, "job_abandoned")


def test_a_running_job_waits_again_when_the_server_ends(keeping):
    with ended(keeping(LONG)) as server:
        ids = [accepted(submit(server)) for _ in range(2)]
        until_status(server, ids[0], "running")
    for _ in range(3):  # more often than a server may die under one
        with ended(keeping(LONG)) as server:
            until_status(server, ids[0], "running")
    with keeping() as server:
        for id in ids:
            result_of(server, id)


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


def hooks(**more):
    return {"webhook_secret": SECRET, "webhook_hosts": '["127.0.0.1"]', "webhook_retry_ms": 1} | more


def checked(headers, body):
    """A webhook's body, after its signature was checked as the standard says."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert hmac.compare_digest(headers["webhook-signature"], expected)
    return json.loads(body)


def test_a_webhook_is_signed_and_tried_until_it_is_heard(keeping):
    with Receiver(500, 503) as receiver, keeping(**hooks()) as server:
        server.wait_ready()
        id = accepted(submit(server, webhook=receiver.url))
        job = until(lambda: (job := job_of(server, id))["webhook"]["state"] == "delivered" and job, "it is delivered")
        assert job["webhook"]["attempts"] == 3 == len(receiver.heard)
        assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
        for headers, body in receiver.heard:
            told = checked(headers, body)
            assert told["type"] == "job.succeeded" and told["data"]["id"] == id and told["data"]["status"] == "succeeded"
            assert headers["Content-Type"] == "application/json"
        lines = server.request("/metrics").text.splitlines()
        assert 'hotmic_webhook_attempts_total{result="delivered"} 1' in lines and 'hotmic_webhook_attempts_total{result="refused"} 2' in lines
        until(lambda: 'hotmic_jobs{status="succeeded"} 1' in server.request("/metrics").text.splitlines(), "it is counted")


def test_webhooks_go_on_after_a_restart(keeping):
    port = free_port()  # nobody listens there
    with keeping(**hooks(webhook_retry_ms=100)) as server:
        server.wait_ready()
        id = accepted(submit(server, webhook=f"http://127.0.0.1:{port}/hook"))
        job = until(lambda: (job := job_of(server, id))["webhook"]["attempts"] and job, "it was tried")
        assert job["webhook"]["state"] == "pending" and job["webhook"]["last_error"] and job["webhook"]["next_attempt_at"]
        server.process.kill()
        server.process.wait()
    with Receiver(port=port) as receiver, keeping(**hooks(webhook_retry_ms=100)) as server:
        job = until(lambda: (job := job_of(server, id))["webhook"]["state"] == "delivered" and job, "it is delivered")
        assert job["webhook"]["attempts"] > 1
        assert checked(*receiver.heard[0])["data"]["id"] == id


def test_a_webhook_of_a_private_address_is_refused_unless_it_is_named(keeping):
    with keeping(**hooks(webhook_hosts='["*"]')) as server:
        server.wait_ready()
        assert submit(server, webhook="http://127.0.0.1:1/").status == 400
        id = accepted(submit(server, webhook=server.url.replace("http", "https") + "/admin/reload"))
        job = until(lambda: (job := job_of(server, id))["webhook"]["attempts"] and job, "it was tried")
        assert "does not ask" in job["webhook"]["last_error"]


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


def test_a_full_disk_is_told_and_nothing_is_left(keeping, folder, error_of, tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(600_000))
    with keeping() as server:
        server.wait_ready()
        # A file that may not grow fails like a disk that is full.
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        error = error_of(submit(server, large), 507, "disk_full")
        assert "jobs.dir" in error["message"]
        assert recordings(folder) == [] and server.request("/v1/jobs").json()["data"] == []
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        result_of(server, accepted(submit(server)))


def refused(server):
    assert server.wait() == 7
    return server.log()


def test_a_database_that_cannot_be_used_is_told_at_the_start(keeping, folder):
    folder.mkdir()
    database = folder / "jobs.db"
    database.write_bytes(b"no database " * 500)
    server = keeping()
    assert "jobs.db" in refused(server) and "backup" in server.log() and database.read_bytes() == b"no database " * 500
    database.unlink()
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE recipes (name)")
    other.close()
    assert "another program" in refused(keeping())
    database.unlink()
    with keeping() as first:
        first.wait_ready()
        assert "another hotmic" in refused(keeping())
        first.process.send_signal(signal.SIGTERM)
        assert first.wait() == 0
    with sqlite3.connect(database) as later:
        later.execute("PRAGMA user_version = 2")
    later.close()
    assert "later hotmic" in refused(keeping())
    assert "webhook_secret" in refused(keeping(webhook_hosts='["example.com"]'))


def test_what_has_ended_is_forgotten_after_a_while(keeping):
    with keeping(keep_ms=1) as server:
        server.wait_ready()
        id = submit(server).json()["id"]
        until(lambda: server.request(f"/v1/jobs/{id}").status == 404 or submit(server).status == 429, "it is forgotten")


def test_several_models_run_each_their_own_jobs(fake, folder):
    with fake("text=one", *settings(default={"required": "true"}, second={"provider": "fake", "path": "fake:text=two", "warmup.level": 0}), "--set", f"jobs.dir={folder}") as server:
        ids = [accepted(submit(server, model=model, response_format="text")) for model in ("second", "default")]
        assert [result_of(server, id).text.strip() for id in ids] == ["two", "one"]
