"""Three servers behind HAProxy with deploy/haproxy/haproxy.cfg, under load: servers end, die, freeze and change their model, and no client loses
a request."""

import shutil

import pytest

import hotmic_py
from fleet import Fleet, Load

TEXT = "the fake has spoken"


@pytest.fixture
def fleet(tmp_path):
    if not shutil.which("haproxy"):
        pytest.skip("NO HAPROXY: apt install haproxy")

    def start(name, port):
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        return hotmic_py.Server("--provider", "fake", "--model", f"fake:text={TEXT}&infer_ms=20&slots=4", "--level", "0",
                                "--set", "server.drain_delay_ms=1500", port=port, home=home, name="hotmic-faults")

    with Fleet(tmp_path, start, answer_timeout="3s") as running:
        yield running


def lost_nothing(load):
    assert load.seen.failed == []


def test_a_rolling_restart(fleet):
    with Load(fleet.front, TEXT) as load:
        load.wait_for(answered=10, streamed=4, sessions=1)
        for name in fleet.NAMES:
            assert fleet.restart(name) == 0
        load.wait_for(answered=10, streamed=4, sessions=1)
    lost_nothing(load)
    assert load.seen.torn == [], "streams go on to their end, and sessions are told to go"


def test_a_rolling_change_of_the_model(fleet):
    with Load(fleet.front, TEXT) as load:
        for name in fleet.NAMES:
            load.wait_for(answered=5, streamed=2)
            body = f'{{"path": "fake:text={TEXT}, newer&slots=4"}}'.encode()
            job = fleet.servers[name].request("/admin/models/default/swap", "POST", body, {"Content-Type": "application/json"})
            assert job.status == 202
            hotmic_py.until(lambda server=fleet.servers[name]: "newer" in server.transcribe().text, "the new model serves")
        load.wait_for(answered=5, streamed=2, sessions=1)
        assert "newer" in fleet.front.transcribe().text
    lost_nothing(load)
    assert load.seen.torn == []


def test_the_death_of_one(fleet):
    with Load(fleet.front, TEXT) as load:
        for name in fleet.NAMES[:2]:
            load.wait_for(answered=10, sessions=1)
            fleet.kill(name)
        load.wait_for(answered=10, sessions=1)
    lost_nothing(load)


def test_one_that_takes_connections_and_answers_nothing(fleet):
    with Load(fleet.front, TEXT, streams=0, live=0) as load:
        load.wait_for(answered=10)
        fleet.freeze("two", lambda: load.wait_for(answered=20))
        load.wait_for(answered=10)
    lost_nothing(load)


def test_administration_does_not_pass(fleet):
    assert fleet.front.request("/admin/models").status == 403
    assert fleet.servers["one"].request("/admin/models").status == 200
