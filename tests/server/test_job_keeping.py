"""What is kept of jobs: through crashes and restarts, on full disks and damaged ones, and for how long."""

import os
import resource
import signal
import sqlite3

from conftest import FAKE_TEXT
from hotmic_py import until
from job_client import LONG, accepted, ended, job_of, recordings, result_of, submit, until_status


def refused(server):
    assert server.wait() == 7
    return server.log()


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
