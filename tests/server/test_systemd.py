"""What systemd is told and gives: readiness, progress, reloads, the watchdog, sockets, credentials, the journal."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import FAKE_TEXT
from hotmic_py import NUMBERS_MODEL, NUMBERS_TEXT, PATIENCE, SANITIZED, SOURCE, Server, numbers_clip, program, run
from service_manager import Journal, NotifySocket, listening, passing


@pytest.fixture
def manager(home):
    with NotifySocket(home) as listening_manager:
        yield listening_manager


# --- sd_notify


def test_ready_is_told_only_when_requests_are_served(fake, manager):
    with fake("load_ms=1500&steps=30", env=manager.env) as server:
        told = manager.until(READY="1")
        assert server.request("/readyz").status == 200
        before = manager.told[:-1]
        assert before and all("READY" not in message for message in before)
        assert any("default: LOADING" in message.get("STATUS", "") for message in before)
        extended = [int(message["EXTEND_TIMEOUT_USEC"]) for message in before if "EXTEND_TIMEOUT_USEC" in message]
        assert extended and min(extended) >= 10_000_000
        assert "EXTEND_TIMEOUT_USEC" not in told
        assert "default: READY" in told.get("STATUS", manager.told[-2].get("STATUS", ""))


def test_a_model_that_cannot_be_loaded_is_neither_ready_nor_waited_for(fake, manager):
    with fake("fail=load&error=model_corrupt", env=manager.env) as server:
        server.wait_for("→ ERROR")
        status = manager.until(STATUS=...)
        while "default: ERROR, " not in status["STATUS"]:
            status = manager.until(STATUS=...)
        manager.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.until(EXTEND_TIMEOUT_USEC=...)
        assert all("READY" not in message for message in manager.told)
        assert server.request("/readyz").status == 503


def test_the_end_is_told_with_how_long_it_may_take(fake, manager):
    with fake("", "--set", "server.shutdown_timeout_ms=7000", "--set", "server.drain_delay_ms=100", env=manager.env) as server:
        manager.until(READY="1")
        assert server.stop() == 0
        assert int(manager.until(STOPPING="1")["EXTEND_TIMEOUT_USEC"]) >= 7_000_000


def test_a_reload_is_told_with_its_time_and_its_outcome(fake, home, manager):
    file = home / "hotmic.toml"
    file.write_text("[models.default]\naliases = ['a']\n")
    with fake("", env=manager.env) as server:
        manager.until(READY="1")
        asked = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.process.send_signal(signal.SIGHUP)
        assert int(manager.until(RELOADING="1")["MONOTONIC_USEC"]) >= asked
        assert "not taken over" not in manager.until(READY="1")["STATUS"]

        file.write_text("[models.default]\nsluts = 3\n")
        server.process.send_signal(signal.SIGHUP)
        manager.until(RELOADING="1")
        answer = manager.until(READY="1")["STATUS"]
        assert "not taken over" in answer and "slots" in answer
        assert server.transcribe().status == 200

        file.write_text("")
        server.process.send_signal(signal.SIGHUP)
        manager.until(RELOADING="1")
        assert "not taken over" not in manager.until(READY="1")["STATUS"]
        assert "not taken over" not in manager.until(STATUS=...)["STATUS"]


def test_a_reload_before_it_is_ready_does_not_say_that_it_is(fake, manager):
    with fake("hang=load", env=manager.env) as server:
        server.wait_for("→ LOADING")
        server.process.send_signal(signal.SIGHUP)
        while "read again" not in server.log():
            manager.next()
        manager.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.until(READY="1")


def test_the_watchdog_hears_of_a_server_that_moves_and_not_of_one_that_is_stopped(fake, manager):
    with fake("", env=manager.env | {"WATCHDOG_USEC": 400_000}) as server:
        manager.until(READY="1")
        for _ in range(5):
            manager.until(WATCHDOG="1")
        server.process.send_signal(signal.SIGSTOP)
        manager.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                manager.next()
        server.process.send_signal(signal.SIGCONT)
        manager.socket.settimeout(PATIENCE)
        manager.until(WATCHDOG="1")


def test_nothing_is_told_where_nobody_listens(fake, home):
    with fake("", env={"NOTIFY_SOCKET": home / "gone", "WATCHDOG_USEC": 100_000}) as server:
        server.wait_ready()
        assert server.transcribe().status == 200
        assert server.stop() == 0


# --- sockets


def test_it_answers_on_the_sockets_that_are_passed_and_on_no_other(fake):
    with listening() as http, listening() as second, listening() as wyoming:
        number = http.getsockname()[1]
        with fake(f"text={FAKE_TEXT}", **passing(http, second, wyoming, names=["hotmic.socket", "http", "wyoming"])) as server:
            assert server.url == f"http://127.0.0.1:{number}"
            server.wait_ready()
            assert server.transcribe().json()["text"] == FAKE_TEXT
            with urllib.request.urlopen(f"http://127.0.0.1:{second.getsockname()[1]}/livez", timeout=PATIENCE) as answer:
                assert answer.status == 200
            with socket.create_connection(wyoming.getsockname(), timeout=PATIENCE) as client:
                client.sendall(b'{"type": "describe"}\n')
                assert b'"info"' in client.recv(1 << 16)
            worker = server.workers()[0]
            held = {os.readlink(f"/proc/{worker}/fd/{each}") for each in os.listdir(f"/proc/{worker}/fd")}
            ours = {os.readlink(f"/proc/{os.getpid()}/fd/{each.fileno()}") for each in (http, second, wyoming)}
            assert not held & ours, "a worker has a socket of the server's"
            assert b"LISTEN_FDS" not in open(f"/proc/{worker}/environ", "rb").read()
            assert server.stop() == 0
        with socket.create_connection(http.getsockname(), timeout=PATIENCE):
            pass  # systemd keeps it: a client that comes while the server is restarted waits


def test_a_client_that_came_before_the_server_is_answered(fake):
    with listening() as http, socket.create_connection(http.getsockname(), timeout=PATIENCE) as early:
        early.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        with fake("", **passing(http, names=["http"])):
            assert early.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name, make, says", [
    ("https", listening, "nothing of that name is served"),
    ("http", lambda: listening(kind=socket.SOCK_DGRAM), "none of TCP"),
    ("http", lambda: socket.socket(), "not listened on"),
    ("http", lambda: socket.socket(socket.AF_UNIX), "none of TCP"),
])
def test_a_socket_that_cannot_be_served_ends_the_start(fake, name, make, says):
    with make() as wrong:
        server = fake("", **passing(wrong, names=[name]))
        assert server.wait() == 7
        assert says in server.log() and "ListenStream" in server.log() or "FileDescriptorName" in server.log()
        server.__exit__()


# --- credentials


def ask(server, key):
    return server.request("/v1/models", headers={"Authorization": f"Bearer {key}"}).status


def test_keys_come_as_credentials_and_are_told_to_nobody(fake, home):
    (home / "credentials").mkdir()
    (home / "credentials/server.api_keys").write_text("first-secret\nsecond,secret\n\n")
    (home / "credentials/server.admin_key").write_text("admin-secret\n")
    (home / "credentials/tls").write_text("of somebody else")
    env = {"CREDENTIALS_DIRECTORY": home / "credentials"}
    with fake("", "--log-level", "trace", env=env) as server:
        server.wait_ready()
        assert ask(server, "wrong") == 401
        assert ask(server, "first-secret") == ask(server, "second,secret") == 200
        assert server.request("/admin/models", headers={"Authorization": "Bearer first-secret"}).status in (401, 403)
        assert server.request("/admin/models", headers={"Authorization": "Bearer admin-secret"}).status == 200
        [worker] = server.workers()
        seen = open(f"/proc/{worker}/environ", "rb").read() + open(f"/proc/{server.process.pid}/cmdline", "rb").read()
        said = server.log() + "\n".join(server.lines)
        assert server.stop() == 0
    config = run("config", home=home, env=env)
    assert f"# credential {home}/credentials/server.api_keys" in config.out
    for secret in ("first-secret", "second,secret", "admin-secret"):
        assert secret not in config.out + said and secret.encode() not in seen


def test_what_is_set_later_wins_over_a_credential(home):
    (home / "hotmic.toml").write_text("[server]\nport = 1\n")
    (home / "credentials").mkdir()
    (home / "credentials/server.port").write_text("2\n")
    env = {"CREDENTIALS_DIRECTORY": home / "credentials"}
    assert run("config", "--json", home=home, env=env).json()["config"]["server"]["port"] == 2
    assert run("config", "--json", home=home, env=env | {"HOTMIC_SERVER_PORT": "3"}).json()["config"]["server"]["port"] == 3
    assert run("config", "--json", "--port", "4", home=home, env=env).json()["config"]["server"]["port"] == 4


@pytest.mark.parametrize("name, text, says", [
    ("server.api_key", "s3cret", "did you mean server.api_keys?"),  # or the server would be open
    ("api_keys", "s3cret", "did you mean server.api_keys?"),
    ("server.port", "s3cret", "expected an integer"),
    pytest.param("server.api_keys", "x" * (2 << 20), "larger than a megabyte", id="large"),
])
def test_a_credential_that_would_do_nothing_is_told(home, name, text, says):
    (home / "credentials").mkdir()
    (home / "credentials" / name).write_text(text)
    outcome = run("serve", home=home, env={"CREDENTIALS_DIRECTORY": home / "credentials"})
    assert outcome.code == 7
    assert name in outcome.err and says in outcome.err


def test_a_credential_that_cannot_be_read_ends_the_start(home):
    """Otherwise the server would be open to everybody."""
    (home / "credentials").mkdir()
    (home / "credentials/server.api_keys").symlink_to("nowhere")
    outcome = run("serve", home=home, env={"CREDENTIALS_DIRECTORY": home / "credentials"})
    assert outcome.code == 7 and "server.api_keys: it cannot be read: No such file or directory" in outcome.err
    outcome = run("serve", home=home, env={"CREDENTIALS_DIRECTORY": home / "none"})
    assert outcome.code == 7 and "none cannot be read" in outcome.err


# --- the journal


def test_the_journal_gets_entries_with_the_ids_of_requests_and_instances(fake, home):
    with Journal(home) as journal, fake("", **journal.under()) as server:
        state = journal.until(MESSAGE="to=READY")
        assert state["PRIORITY"] == "6" and state["MODEL"] == "default" and state["SYSLOG_IDENTIFIER"] == "hotmic"
        assert f"instance={state['INSTANCE_ID']} " in state["MESSAGE"]
        server.wait_ready()
        answer = server.request("/v1/audio/transcriptions", "POST", b"",
                                {"Content-Type": "multipart/form-data", "X-Request-Id": "mine-1"})
        assert answer.status == 400
        failed = journal.until(MESSAGE="request failed")
        assert failed["REQUEST_ID"] == "mine-1" and "INSTANCE_ID" not in failed
        assert server.transcribe().status == 200
        heard = journal.until(MESSAGE="recognized")
        assert heard["REQUEST_ID"] and heard["INSTANCE_ID"] == state["INSTANCE_ID"]
        assert server.log() == "", "what the journal has is not written to standard error as well"


def test_a_machine_without_the_right_to_a_port_says_what_to_do(home):
    outcome = run("serve", "--port", "80", home=home, under=("setpriv", "--bounding-set=-net_bind_service"))
    assert outcome.code == 7
    assert "127.0.0.1:80 may not be listened on" in outcome.err and "hotmic.socket" in outcome.err


# --- the units

UNITS = SOURCE / "deploy/systemd"


def test_the_unit_leaves_little_to_attack(home):
    """On the scale of systemd's own tool, from 0 (nothing) to 10; the limit is 2.0."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", UNITS / "hotmic.service"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.skipif(SANITIZED, reason="a sanitizer looks into the process at its end, which the unit forbids")
@pytest.mark.parametrize("engine", ["whisper_cpp", "onnx"])
def test_engines_work_with_the_calls_that_the_unit_leaves_them(home, engine):
    """Under the unit's filter of system calls, and without memory that is written and executed: the server, its worker, and what they load."""
    under = (sys.executable, Path(__file__).parents[1] / "support/as_unit.py", UNITS / "hotmic.service")
    with Server("--provider", engine, "--model", NUMBERS_MODEL, *numbers_clip(), home=home, under=under) as server:
        server.wait_ready()
        assert server.transcribe(NUMBERS_MODEL.with_name("clip.wav")).json()["text"].strip().lower().strip(".") == NUMBERS_TEXT
        assert server.stop() == 0


def test_systemd_understands_the_units(home):
    """Every key; the program and its manual are those of this build."""
    for unit in UNITS.glob("hotmic*.s*"):
        if unit.suffix in (".service", ".socket"):
            (home / unit.name).write_text(unit.read_text().replace("/usr/bin/hotmic", str(program())))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *home.glob("*.service"), *home.glob("*.socket")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Unknown" not in done.stderr and "Failed" not in done.stderr, done.stderr


def test_the_system_user_can_be_made(home):
    (home / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={home}", UNITS / "hotmic.sysusers"], check=True, capture_output=True)
    [line] = [line for line in (home / "etc/passwd").read_text().splitlines() if line.startswith("hotmic:")]
    assert line.split(":")[4:6] == ["Speech to text", "/var/lib/hotmic"] and line.endswith("nologin")
