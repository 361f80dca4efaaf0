"""Getting models: what arrives, what is kept, what is found again."""

import hashlib
import json
import os
import signal
import subprocess
import threading

import pytest
from bad_web import answer
from hotmic_py import environment, program, until

DATA = bytes(range(256)) * 4000  # a megabyte


def stored(models):
    return [each for each in models.iterdir() if not each.name.startswith(".")] if models.exists() else []


def test_a_model_is_pulled_checked_listed_verified_and_removed(hotmic, web, models, catalogue):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    done = hotmic("pull", "mine", *flags)
    assert done.code == 0, done.err
    folder, = stored(models)
    assert folder.name == f"mine-{hashlib.sha256(DATA).hexdigest()[:12]}"
    assert (folder / "a.bin").read_bytes() == DATA and done.out.strip() == f"mine: {folder / 'a.bin'}"
    again = hotmic("pull", "mine", *flags)
    assert again.code == 0 and "is here already" in again.out and len(web.requests) == 1
    listed = {each["name"]: each for each in hotmic("pull", "list", "--json", *flags).json()}
    assert listed["mine"]["state"] == "here" and listed["base"]["state"] == "available"
    assert hotmic("pull", "verify", *flags).out.strip() == "mine: intact"
    (folder / "a.bin").write_bytes(DATA[:-1] + b"!")
    damaged = hotmic("pull", "verify", "mine", *flags)
    assert damaged.code == 5 and "damaged" in damaged.out and "gets it anew" in damaged.err
    assert hotmic("pull", "rm", "mine", *flags).code == 0
    assert stored(models) == [] and hotmic("pull", "rm", "mine", *flags).code == 3


def test_json_tells_progress_and_the_end(hotmic, web, catalogue):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    events = [json.loads(line) for line in hotmic("pull", "mine", "--json", *flags).out.splitlines()]
    assert events[-1]["event"] == "done" and events[-1]["path"].endswith("a.bin")
    assert events[-2]["event"] == "progress" and events[-2]["done_bytes"] == events[-2]["total_bytes"] == len(DATA)
    failed = hotmic("pull", "nine", "--json", *flags)
    assert failed.code == 3 and "did you mean mine?" in failed.err


def test_a_model_of_several_files_is_one_folder(hotmic, web, models, catalogue):
    files = {"model.bin": DATA, "config.json": b"{}"}
    for name, data in files.items():
        web.files[f"/m/{name}"] = data
    flags = catalogue(f"{web.url}/m", files=files)
    assert hotmic("pull", "mine", *flags).code == 0
    folder, = stored(models)
    assert {each.name for each in folder.iterdir()} == {"model.bin", "config.json", "hotmic-model.json"}


def test_the_next_source_is_taken_when_one_fails(hotmic, web, catalogue):
    web.files["/second/a.bin"] = DATA
    flags = catalogue(f"{web.url}/first", f"{web.url}/second", files={"a.bin": DATA})
    done = hotmic("pull", "mine", *flags)
    assert done.code == 0 and "passed over" in done.err and "404" in done.err


def test_mirrors_come_before_the_hub_and_the_endpoint_replaces_it(hotmic, web, home):
    path = "/ggml-org/whisper-vad/resolve/main/ggml-silero-v6.2.0.bin"
    done = hotmic("pull", "silero", "--set", f"download.mirrors={web.url}/mirror", env={"HF_ENDPOINT": web.url, "no_proxy": "127.0.0.1"})
    assert done.code == 5  # neither has it
    assert [asked for asked, _ in web.requests] == ["/mirror" + path, path]


def test_a_url_is_trusted_on_first_use_and_must_stay_the_same(hotmic, web, models):
    web.files["/x/mine.bin"] = DATA
    url = f"{web.url}/x/mine.bin?download=true"
    first = hotmic("pull", url)
    assert first.code == 0 and "trusted as it came" in first.err
    assert hotmic("pull", "rm", "mine").code == 0
    web.files["/x/mine.bin"] = DATA + b"!"
    changed = hotmic("pull", url)
    assert changed.code == 5 and "first time" in changed.err and "--trust-new" in changed.err and stored(models) == []
    assert hotmic("pull", url, "--trust-new").code == 0
    assert hotmic("pull", "rm", "mine").code == 0
    wrong = hotmic("pull", url, "--sha256", hashlib.sha256(DATA).hexdigest())
    assert wrong.code == 5 and "was expected" in wrong.err


def test_without_a_digest_only_a_protected_connection_will_do(hotmic):
    done = hotmic("pull", "http://models.example/x.bin", env={"http_proxy": "http://127.0.0.1:1"})
    assert done.code == 5 and "https" in done.err


def test_offline_downloads_nothing(hotmic, web, catalogue):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    for how in ({"HOTMIC_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1"}):
        done = hotmic("pull", "mine", *flags, env=how)
        assert done.code == 5 and "nothing may be downloaded" in done.err
    assert hotmic("pull", "mine", "--offline", *flags).code == 5 and web.requests == []


def test_a_hub_cache_of_another_program_is_used_in_place(hotmic, home):
    name = "models--ggml-org--whisper-vad"
    snapshot = home / f".cache/huggingface/hub/{name}/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot / "ggml-silero-v6.2.0.bin").write_bytes(bytes(885098))
    (home / f".cache/huggingface/hub/{name}/refs").mkdir()
    (home / f".cache/huggingface/hub/{name}/refs/main").write_text("abc")
    done = hotmic("pull", "silero")
    assert done.code == 0 and str(snapshot) in done.out and "is here already" in done.out
    damaged = hotmic("pull", "verify", "silero")
    assert damaged.code == 5 and "damaged" in damaged.out  # zeros are not Silero
    assert hotmic("pull", "rm", "silero").code == 3 and snapshot.exists()


def test_two_pulls_at_once_fetch_it_once(home, web, models, catalogue, hotmic):
    web.files["/m/a.bin"] = DATA
    web.faults = [web.slowly(50_000, 0.05)]
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(hotmic("pull", "mine", *flags))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.code for each in outcomes] == [0, 0, 0], [each.err for each in outcomes]
    assert len(web.requests) == 1 and len(stored(models)) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_it_goes_on_where_it_was(hotmic, home, web, models, catalogue, how):
    web.files["/m/a.bin"] = DATA
    web.faults = [web.slowly(100_000, 0.1)]
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    pulling = subprocess.Popen([program(), "pull", "mine", *flags], cwd=home, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def part():
        found = list(models.glob(".partial/mine@*/a.bin.part"))
        return found and found[0].stat().st_size >= 200_000

    until(part, "a part is here")
    os.kill(pulling.pid, how)
    pulling.communicate()
    assert pulling.returncode != 0 and stored(models) == []
    done = hotmic("pull", "mine", *flags)
    assert done.code == 0, done.err
    assert int(web.requests[1][1]["Range"].removeprefix("bytes=").rstrip("-")) >= 200_000
    assert (stored(models)[0] / "a.bin").read_bytes() == DATA


def test_answers_that_only_look_like_files_are_refused(hotmic, web, models, catalogue):
    web.faults = [answer(200, b"<html>please log in</html>")]
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    done = hotmic("pull", "mine", *flags)
    assert done.code == 5 and "should have 1024000" in done.err and stored(models) == []
