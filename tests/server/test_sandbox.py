"""What the processes of a real server may do, and what it says where the kernel gives less."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hotmic_py import CLIP, PATIENCE, SANITIZED, SOURCE, Server, environment, program, until

LESSER = [sys.executable, str(SOURCE / "tests/support/lesser_kernel.py")]
FAKE = ("--provider", "fake", "--level", "1", "--set", "models.default.warmup.validate=runs", "--model")


def on_lesser(home, lacking, *arguments):
    return subprocess.run([*LESSER, *lacking, "--", program("hotmic-faults"), *map(str, arguments)], cwd=home, capture_output=True,
                          text=True, env=environment(home), timeout=PATIENCE, check=False)


def ask(server, path):
    with contextlib.suppress(OSError, http.client.HTTPException):  # the server is killed meanwhile
        server.transcribe(path)


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def whole_kernel(tmp_path_factory):
    """Skips where this machine has not all of it."""
    done = subprocess.run([program(), "config", "--set", "sandbox=require"], capture_output=True, check=False,
                          env=environment(tmp_path_factory.mktemp("home")), timeout=PATIENCE)
    assert done.returncode == 0
    doctor = subprocess.run([program(), "doctor", "--json", "--set", "sandbox=require"], capture_output=True, check=False,
                            env=environment(tmp_path_factory.mktemp("home")), timeout=PATIENCE)
    finding = next(each for each in json.loads(doctor.stdout)["findings"] if each["what"] == "sandbox")
    if finding["verdict"] != "good":
        pytest.skip(f"NO SANDBOX HERE: {finding['detail']}")


@pytest.mark.usefixtures("whole_kernel")
def test_a_decoder_has_no_privileges_no_calls_and_no_environment(fake, tmp_path):
    with fake("", "--set", "sandbox=require", env={"HOTMIC_SERVER_ADMIN_KEY": "sesame"}) as server:
        server.wait_ready()
        origin, = server.children("decoder")
        status = status_of(origin)
        assert status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
        assert Path(f"/proc/{origin}/environ").read_bytes() == b""
    # A file that is longer than what is read ahead waits for its slot with its decoder.
    with fake("hang=infer&after=1", "--set", "sandbox=require", "--set", "models.default.supervise.hang_factor=0") as server:
        server.wait_ready()
        long = tmp_path / "long.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=600:sample_rate=16000", long], check=True)
        asked = threading.Thread(target=ask, args=(server, long), daemon=True)
        asked.start()
        decoder = until(server.decoders, "a decoder runs")[0]
        until(lambda: status_of(decoder)["Seccomp"] == "2", "it has given up what it does not need")
        status = status_of(decoder)
        assert status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
        assert Path(f"/proc/{decoder}/environ").read_bytes() == b""
        assert b"hotmic_decoders 1" in server.request("/metrics").body
        server.process.kill()
    asked.join(PATIENCE)
    until(lambda: not Path(f"/proc/{decoder}").exists(), "a decoder ends when its server has been killed")


@pytest.mark.usefixtures("whole_kernel")
def test_a_worker_is_given_nothing_secret_and_may_not_look_for_it(fake):
    with fake("", "--set", "sandbox=require", env={"HOTMIC_SERVER_ADMIN_KEY": "sesame", "HF_TOKEN": "hf_secret"}) as server:
        server.wait_ready()
        worker, = server.workers()
        status = status_of(worker)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        variables = Path(f"/proc/{worker}/environ").read_bytes()
        assert b"sesame" not in variables and b"hf_secret" not in variables and b"HOME=" not in variables
        assert b"sesame" not in Path(f"/proc/{worker}/cmdline").read_bytes()
    with fake("try=read:/etc/passwd,socket,exec", "--set", "models.default.retry.max_attempts=1") as server:
        message = server.wait_for(r"read:/etc/passwd: .*").group(0)
        assert "read:/etc/passwd: Permission denied" in message
        assert "socket: Operation not permitted" in message and "exec: Operation not permitted" in message


@pytest.mark.usefixtures("whole_kernel")
def test_capabilities_and_doctor_say_what_the_kernel_gives(fake, hotmic):
    with fake("") as server:
        said = server.request("/capabilities").json()["sandbox"]
        assert said["mode"] == "try" and said["seccomp"] and said["landlock_abi"] >= 1 and said["lacks"] == ""
        assert "sandbox" not in server.log()
    findings = {each["what"]: each for each in hotmic("doctor", "--json").json()["findings"]}
    assert findings["sandbox"]["verdict"] == "good" and "Landlock" in findings["sandbox"]["detail"]
    off = {each["what"]: each for each in hotmic("doctor", "--json", "--set", "sandbox=off").json()["findings"]}
    assert off["sandbox"]["verdict"] == "could be better" and off["sandbox"]["detail"].startswith("off")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer changes its process before main")
@pytest.mark.parametrize("lacking, words", [(["landlock"], "no Landlock"), (["seccomp"], "no seccomp"),
                                            (["landlock", "seccomp"], "no seccomp")])
def test_a_machine_without_seccomp_or_landlock_is_told_of(tmp_path, lacking, words):
    refused = on_lesser(tmp_path, lacking, "serve", "--port", "0", *FAKE, "fake:", "--set", "sandbox=require")
    assert refused.returncode == 7 and words in refused.stderr and 'sandbox = "try"' in refused.stderr
    doctor = on_lesser(tmp_path, lacking, "doctor", *FAKE, "fake:", "--json")
    finding = next(each for each in json.loads(doctor.stdout)["findings"] if each["what"] == "sandbox")
    assert finding["verdict"] == "could be better" and words in finding["detail"]
    with Server(*FAKE, "fake:", home=tmp_path, name="hotmic-faults", under=[*LESSER, *lacking, "--"]) as server:
        server.wait_ready()
        assert server.transcribe(CLIP).status == 200
        assert f"this machine gives {words}" in server.log()
        said = server.request("/capabilities").json()["sandbox"]
        assert words in said["lacks"] and (said["landlock_abi"] == 0) == ("landlock" in lacking)


def test_a_decoder_that_is_killed_costs_no_request(fake):
    with fake("infer_ms=20") as server:
        server.wait_ready()
        origin, = server.children("decoder")
        os.kill(origin, 9)
        until(lambda: origin not in server.children("decoder"), "the process that decoders come from is gone")
        assert server.transcribe().status == 200
        assert server.children("decoder") != [origin]
        assert "another is started" in server.log()
        for _ in range(20):  # nor where it is asked for before the server knows of its death
            for origin in server.children("decoder"):
                os.kill(origin, 9)
            assert server.transcribe().status == 200


def test_formats_that_are_not_configured_are_refused_by_name(fake, error_of, hotmic):
    with fake("", "--set", "audio.containers=wav,mp3") as server:
        server.wait_for("→ (READY|ERROR)")
        error = error_of(server.transcribe(CLIP), 400, "audio_undecodable")
        assert "not taken (raw FLAC, flac)" in error["message"] and "audio.containers" in error["message"]
    wrong = hotmic("config", "--set", "audio.codecs=mp5")
    assert wrong.code == 7 and "audio.codecs names mp5" in wrong.err
