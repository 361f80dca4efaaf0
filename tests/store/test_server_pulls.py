"""Models got for a running server: /admin/models/pull, as jobs, with what is told of them meanwhile, and the upgrade that follows."""

import hashlib
import json
import re
import threading

import pytest
from bad_web import answer
from hotmic_py import Server, make_whisper_model, settings, until

QUICK = settings(default={"warmup.level": 0})
ENV = {"no_proxy": "127.0.0.1,localhost", "HF_ENDPOINT": "http://127.0.0.1:1"}
PULL = "/admin/models/pull"


@pytest.fixture
def model(home):
    """The bytes of a model that says "hello warm world"."""
    return make_whisper_model(home / "made.bin", "tiny.en").read_bytes()


@pytest.fixture
def serve(home, model):
    started = []

    def start(*flags):
        server = Server("--model", home / "made.bin", *flags, *QUICK, home=home, env=ENV)
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__(None, None, None)


def ask(server, to=PULL, method="POST", /, **body):
    return server.request(to, method, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})


def job(server, answered):
    assert answered.status == 202, answered.text
    return answered.json()["job"]["id"]


def ended(server, answered):
    name = job(server, answered)
    server.request(f"/admin/jobs/{name}/events")  # open until the job ends
    now = server.request(f"/admin/jobs/{name}").json()["job"]
    assert now["state"] != "running"
    return now


def metric(server, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", server.request("/metrics").text, re.MULTILINE)
    return float(found.group(1)) if found else None


def swap(server, path):
    until(lambda: ask(server, "/admin/models", "GET").json()["models"], "it is known which models there are")
    return ended(server, ask(server, "/admin/models/default/swap", path=path))


def test_a_pull_is_a_job_that_tells_how_far_it_is(serve, web, model, catalogue, models):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(len(model) // 20, 0.05)]
    server = serve(*catalogue(f"{web.url}/m", files={"a.bin": model}))
    begun = ask(server, model="MINE")
    name = job(server, begun)
    assert begun.headers["location"] == f"/admin/jobs/{name}" and begun.json()["job"]["kind"] == "pull"

    listed = until(lambda: next((each for each in ask(server, PULL, "GET").json()["downloads"] if each.get("eta_seconds")), None), "the download is told")
    assert listed["model"] == "mine" and 0 < listed["done_bytes"] <= listed["total_bytes"] == len(model) and listed["bytes_per_second"] > 0
    assert metric(server, "hotmic_downloads_in_flight") == 1 and metric(server, "hotmic_download_size_bytes") == len(model)
    assert metric(server, "hotmic_download_bytes_per_second") > 0

    steps = [json.loads(line[6:]) for line in server.request(f"/admin/jobs/{name}/events").text.splitlines() if line.startswith("data: ")]
    done = [step["download"]["done_bytes"] for step in steps if step.get("download")]
    assert len(done) > 5 and done == sorted(done) and len(steps) < 30
    assert steps[-1]["state"] == "succeeded" and "downloaded: " in steps[-1]["step"]
    assert steps[-1]["download"]["total_bytes"] == len(model)

    state = {each["name"]: each for each in ask(server, PULL, "GET").json()["models"]}
    assert state["mine"]["state"] == "here" and state["mine"]["path"].endswith("a.bin") and state["base"]["state"] == "available"
    assert (metric(server, "hotmic_downloads_in_flight"), metric(server, "hotmic_download_bytes_total"), metric(server, 'hotmic_downloads_total{result="ok"}')) == (0, len(model), 1)
    assert metric(server, "hotmic_download_size_bytes") == 0
    again = ended(server, ask(server, model="mine"))
    assert again["state"] == "succeeded" and "is here already" in again["step"] and len(web.requests) == 1
    assert metric(server, 'hotmic_downloads_total{result="ok"}') == 1


def test_many_that_ask_for_one_model_share_one_download(serve, web, model, catalogue, hotmic):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(len(model) // 10, 0.1)]
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    server = serve(*flags)
    first = job(server, ask(server, model="mine"))
    until(lambda: web.requests, "it has begun")
    outcomes = []
    other = threading.Thread(target=lambda: outcomes.append(hotmic("pull", "mine", *flags)))  # another process
    other.start()
    assert {job(server, ask(server, model="mine")) for _ in range(5)} == {first}
    swapped = swap(server, "mine")  # a load that needs it
    other.join()
    assert swapped["state"] == "succeeded" and outcomes[0].code == 0, (swapped, outcomes)
    assert len(web.requests) == 1
    assert [each["kind"] for each in server.request("/admin/jobs").json()["jobs"]] == ["pull", "swap"]


def test_a_cancelled_pull_ends_and_the_next_goes_on_where_it_was(serve, web, model, catalogue):
    web.files["/m/a.bin"] = model
    web.faults = [web.slowly(len(model) // 20, 0.2)]
    server = serve(*catalogue(f"{web.url}/m", files={"a.bin": model}))
    name = job(server, ask(server, model="mine"))
    until(lambda: any(each["done_bytes"] > 0 for each in ask(server, PULL, "GET").json()["downloads"]), "some of it has come")
    cancelled = ended(server, ask(server, f"{PULL}/mine", "DELETE"))
    assert (cancelled["id"], cancelled["state"], cancelled["error"]["code"]) == (name, "failed", "load_cancelled")
    assert metric(server, 'hotmic_downloads_total{result="load_cancelled"}') == 1
    assert ask(server, f"{PULL}/mine", "DELETE").status == 404
    assert ended(server, ask(server, model="mine"))["state"] == "succeeded"
    assert web.requests[1][1]["Range"].startswith("bytes=")
    assert metric(server, "hotmic_download_bytes_total") < 2 * len(model)


def test_an_upgrade_is_pulled_then_swapped_in_and_what_fails_leaves_the_old_one_serving(serve, web, model, catalogue, home, hotmic):
    better = make_whisper_model(home / "better.bin", "tiny").read_bytes()
    flags = catalogue(f"{web.url}/m", files={"a.bin": better})
    server = serve(*flags).wait_ready()
    before = server.request("/model-status").json()["health"]["instance"]

    web.files["/m/a.bin"] = better[::-1]  # another digest
    failed = ended(server, ask(server, model="mine"))
    assert (failed["state"], failed["error"]["code"]) == ("failed", "checksum_mismatch") and failed["error"]["remedy"]
    assert metric(server, 'hotmic_downloads_total{result="checksum_mismatch"}') == 1
    assert swap(server, "mine")["error"]["code"] == "checksum_mismatch"
    web.faults = [answer(404)]
    assert ended(server, ask(server, model="mine"))["error"]["code"] == "download_refused"
    assert server.request("/model-status").json()["health"]["instance"] == before and server.transcribe().json()["text"] == "hello warm world"

    web.files["/m/a.bin"] = better
    assert ended(server, ask(server, model="mine"))["state"] == "succeeded"
    assert server.request("/model-status").json()["health"]["instance"] == before  # a pull alone changes nothing that serves
    asked = len(web.requests)
    told = hotmic("swap", "default", "--path", "mine", "--server", server.url)
    assert told.code == 0, told.err
    assert len(web.requests) == asked and server.request("/model-status").json()["health"]["instance"] != before
    assert server.transcribe().status == 200


def test_the_command_line_pulls_beside_a_running_server_and_then_swaps(serve, web, model, catalogue, hotmic):
    flags = catalogue(f"{web.url}/m", files={"a.bin": model})
    server = serve(*flags).wait_ready()
    before = server.request("/model-status").json()["health"]["instance"]
    web.files["/m/a.bin"] = model[::-1]
    assert hotmic("pull", "mine", *flags).code != 0
    assert hotmic("swap", "default", "--path", "mine", "--server", server.url).code != 0  # it tries, and gets the same
    assert server.request("/model-status").json()["health"]["instance"] == before and server.transcribe().status == 200
    web.files["/m/a.bin"] = model
    assert hotmic("pull", "mine", *flags).code == 0
    assert hotmic("swap", "default", "--path", "mine", "--server", server.url).code == 0
    assert server.request("/model-status").json()["health"]["instance"] != before and server.transcribe().status == 200


def test_a_file_by_its_url_is_got_with_its_digest_only(serve, web, model, catalogue):
    web.files["/m/mine.bin"] = model
    server = serve(*catalogue(f"{web.url}/m", files={"a.bin": model}, name="other"))
    url = f"{web.url}/m/mine.bin"
    done = ended(server, ask(server, url=url, sha256=hashlib.sha256(model).hexdigest(), model="acme/mine"))
    assert done["state"] == "succeeded" and done["model"] == "acme/mine"
    assert any(each["name"] == "acme/mine" and each["state"] == "here" for each in ask(server, PULL, "GET").json()["models"])
    assert swap(server, "acme/mine")["state"] == "succeeded"


@pytest.mark.parametrize("body, status, code, param", [
    ({}, 400, "invalid_request", "model"),
    ({"model": "nothing-like-it"}, 404, "model_not_found", None),
    ({"model": 3}, 400, "invalid_request", "model"),
    ({"model": "base", "force": True}, 400, "invalid_request", "force"),
    ({"model": "base", "sha256": "0" * 64}, 400, "invalid_request", "sha256"),
    ({"url": "file:///etc/passwd"}, 400, "invalid_request", "model"),
    ({"url": "https://a.example/m.bin", "model": "../up"}, 400, "invalid_request", "model"),
    ({"url": "https://a.example/m.bin", "sha256": "12"}, 400, "invalid_request", "model")])
def test_what_cannot_be_pulled_is_said_at_once(serve, body, status, code, param):
    server = serve()
    answered = ask(server, **body)
    error = answered.json()["error"]
    assert (answered.status, error["code"]) == (status, code), answered.text
    if param:
        assert error["param"] == param
    assert server.request("/admin/jobs").json()["jobs"] == []


def test_only_a_few_are_got_at_once_and_a_server_that_ends_waits_for_none(serve, web, model, catalogue, home):
    names = [f"m{i}" for i in range(5)]
    entries = "".join(f'[{name}]\nkind = "whisper"\nmemory_mb = 1\n[[{name}.sources]]\nurl = "{web.url}/{name}"\n'
                      f'files = [{{ name = "a.bin", size = {len(model)}, digest = "{i:064x}" }}]\n' for i, name in enumerate(names))
    for name in names:
        web.files[f"/{name}/a.bin"] = model
    web.faults = [web.slowly(1000, 0.1)] * 5  # for longer than the test lasts
    server = serve(*catalogue(f"{web.url}/m", files={"a.bin": model}, more=entries)).wait_ready()
    for name in names[:4]:
        job(server, ask(server, model=name))
    refused = ask(server, model=names[4])
    assert (refused.status, refused.json()["error"]["code"]) == (429, "queue_full")
    until(lambda: len(ask(server, PULL, "GET").json()["downloads"]) == 4, "all are under way")
    assert server.transcribe().status == 200
    assert server.stop() == 0


def test_offline_and_strangers_get_nothing(serve, web, model, catalogue):
    server = serve("--set", "offline=true", "--set", "server.admin_key=secret", *catalogue(f"{web.url}/m", files={"a.bin": model}))
    for method, path in (("GET", PULL), ("POST", PULL), ("DELETE", f"{PULL}/mine")):
        assert server.request(path, method, b"{}" if method == "POST" else None).status == 401
    known = {"Authorization": "Bearer secret"}
    begun = server.request(PULL, "POST", b'{"model": "mine"}', known)
    name = begun.json()["job"]["id"]
    failed = until(lambda: (now := server.request(f"/admin/jobs/{name}", headers=known).json()["job"])["state"] != "running" and now, "it has ended")
    assert failed["error"]["code"] == "offline" and web.requests == []
