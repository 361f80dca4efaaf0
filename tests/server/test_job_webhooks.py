"""Webhooks of jobs: signed, tried until they are heard, and sent to nobody who was not named."""

import base64
import hashlib
import hmac
import http.server
import json
import threading

from hotmic_py import free_port, until
from job_client import KEY, SECRET, accepted, job_of, submit


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
        # A webhook is noted first, then counted.
        counts = ['hotmic_webhook_attempts_total{result="delivered"} 1', 'hotmic_webhook_attempts_total{result="refused"} 2', 'hotmic_jobs{status="succeeded"} 1']
        until(lambda: set(counts) <= set(server.request("/metrics").text.splitlines()), "they are counted")


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
