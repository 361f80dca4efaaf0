"""Jobs as a client sees them, for the tests of the API."""

import base64
import contextlib
import os
from pathlib import Path

from hotmic_py import CLIP, until
from raw_http import form

KEY = os.urandom(32)  # signs webhooks
SECRET = "whsec_" + base64.b64encode(KEY).decode()
LONG = "infer_ms=60000"  # an inference that does not end by itself while a test waits


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
