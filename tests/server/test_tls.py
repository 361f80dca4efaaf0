"""TLS, and a listener for administration beside it, as clients, scanners and operators meet them."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
from types import SimpleNamespace

import hotmic_py
import pytest
from certificates import openssl, self_signed, signed
from hotmic_py import Messages, free_port, run, until

CONFIG_ERROR = 7


def authority(folder, name):
    self_signed(folder, "-addext", "keyUsage=critical,keyCertSign,cRLSign", name=name, subject=name)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with an authority, a server's certificate, and one of a client."""
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder, "authority")
    signed(folder, "authority", "server")
    signed(folder, "authority", "client", subject="a client")
    authority(folder, "stranger")
    signed(folder, "stranger", "foreign", subject="a stranger")
    return folder


def trusting(files, certificate=None):
    context = ssl.create_default_context(cafile=files / "authority.pem")
    if certificate:
        context.load_cert_chain(files / f"{certificate}.pem", files / f"{certificate}.key")
    return context


def with_tls(files, name="server"):
    return ("--set", f"server.tls_certificate={files / name}.pem", "--set", f"server.tls_key={files / name}.key")


@pytest.fixture
def secure(fake, files):
    """secure("infer_ms=50", …) is a server with TLS, not yet entered."""

    def make(script="text=heard in private", *arguments, **options):
        server = fake(script, *with_tls(files), *arguments, **options)
        server.tls = trusting(files)
        return server

    return make


@pytest.fixture(scope="module")
def ready(tmp_path_factory, files):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=heard in private", "--level", "0", *with_tls(files),
                          home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        server.tls = trusting(files)
        yield server.wait_ready()


def address(server):
    return "127.0.0.1", int(server.url.rpartition(":")[2])


def test_files_are_heard(ready):
    assert ready.url.startswith("https://")
    answer = ready.transcribe()
    assert answer.status == 200 and answer.json()["text"] == "heard in private"


def test_a_large_upload_comes_through(ready, tmp_path):
    file = tmp_path / "long.wav"
    file.write_bytes(hotmic_py.minutes_of_speech())
    assert ready.transcribe(file).json()["text"]


def test_who_is_refused_before_all_was_sent_reads_why(secure):
    with secure("", "--set", "server.max_body_bytes=10000") as server:
        server.wait_ready()
        answer = server.request("/v1/audio/transcriptions", "POST", bytes(4 << 20), {"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_connections_are_kept(ready):
    connection = http.client.HTTPSConnection(*address(ready), context=ready.tls)
    for _ in range(3):
        connection.request("GET", "/livez")
        assert connection.getresponse().read().startswith(b"ok")
    connection.close()


def test_live_sessions_are_encrypted_too(ready):
    with Messages(ready, "/v1/realtime?intent=transcription", ssl=ready.tls) as session:
        session.until("session.created")
        told = hotmic_py.play(session, hotmic_py.speech_pcm(24000, seconds=1))
        assert [text for text, _ in told.values()] == ["heard in private"]


def test_http_1_1_is_chosen_from_what_a_browser_offers(ready):
    context = ready.tls
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(address(ready)) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as secured:
        assert secured.selected_alpn_protocol() == "http/1.1"


def shaken(server, version, ciphers=None):
    """What a client that knows only this of TLS gets: the version and the cipher, or nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    with socket.create_connection(address(server)) as raw:
        try:
            with context.wrap_socket(raw) as secured:
                return SimpleNamespace(version=secured.version(), cipher=secured.cipher()[0], compression=secured.compression())
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_what_is_still_good_is_spoken(ready):
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert shaken(ready, old) is None
    modern, older = shaken(ready, ssl.TLSVersion.TLSv1_3), shaken(ready, ssl.TLSVersion.TLSv1_2)
    assert modern.version == "TLSv1.3" and modern.compression is None
    assert older.cipher.startswith("ECDHE-") and "GCM" in older.cipher and older.compression is None
    for weak in ("AES128-SHA:@SECLEVEL=0", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES256-SHA384", "aNULL:@SECLEVEL=0"):
        assert shaken(ready, ssl.TLSVersion.TLSv1_2, weak) is None, weak


def test_renegotiation_is_refused(ready):
    host, port = address(ready)
    asked = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"], input=b"R\n", capture_output=True, timeout=hotmic_py.PATIENCE, check=False)
    told = asked.stdout + asked.stderr
    assert b"Secure Renegotiation IS" in told
    assert b"no renegotiation" in told or b"handshake failure" in told or b"alert" in told.lower()


def test_who_forgot_tls_is_told(ready):
    connection = http.client.HTTPConnection(*address(ready))
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    assert answer.status == 400 and b"https://" in answer.read()


def test_noise_in_place_of_tls_ends_the_connection(ready):
    with socket.create_connection(address(ready)) as raw:
        raw.sendall(bytes(range(256)) * 4)
        raw.settimeout(hotmic_py.PATIENCE)
        while raw.recv(4096):
            pass
    assert ready.request("/livez").status == 200


def test_who_begins_and_says_nothing_is_let_go(secure):
    with secure("", "--set", "server.header_timeout_ms=300") as server:
        server.wait_ready()
        with socket.create_connection(address(server)) as raw:
            raw.settimeout(hotmic_py.PATIENCE)
            assert raw.recv(1) == b""


def subject_of(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(address(server)) as raw, context.wrap_socket(raw) as secured:
        return secured.getpeercert(binary_form=True)


def test_a_renewed_certificate_is_taken_over_without_losing_a_connection(fake, files, tmp_path):
    for name in ("pem", "key"):
        shutil.copy(files / f"server.{name}", tmp_path / f"current.{name}")
    signed(files, "authority", "renewed")
    with fake("text=still here", *with_tls(tmp_path, "current")) as server:
        server.tls = trusting(files)
        server.wait_ready()
        before = subject_of(server)
        expires = [line for line in server.request("/metrics").text.splitlines() if line.startswith("hotmic_certificate_expires_timestamp_seconds ")]
        assert len(expires) == 1 and float(expires[0].split()[1]) > 1.7e9
        connection = http.client.HTTPSConnection(*address(server), context=server.tls)
        connection.request("GET", "/livez")
        connection.getresponse().read()
        for name in ("pem", "key"):
            shutil.copy(files / f"renewed.{name}", tmp_path / f"current.{name}")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: subject_of(server) != before, "the new one is shown")
        connection.request("GET", "/livez")
        assert connection.getresponse().read().startswith(b"ok"), "the connection of before goes on"
        connection.close()

        taken = subject_of(server)
        (tmp_path / "current.key").write_text("no key\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the certificate stays as it was" in server.log(), "it is told")
        assert "server.tls_key" in server.log()
        assert subject_of(server) == taken


def test_clients_may_have_to_show_a_certificate(fake, files):
    with fake("text=known", *with_tls(files), "--set", f"server.tls_client_ca={files / 'authority.pem'}") as server:
        server.tls = trusting(files, "client")
        server.wait_ready()
        assert server.transcribe().json()["text"] == "known"
        for certificate_of in (None, "foreign"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                connection = http.client.HTTPSConnection(*address(server), context=trusting(files, certificate_of))
                connection.request("GET", "/livez")
                connection.getresponse()


def test_what_is_wrong_with_the_files_is_said_before_anything_loads(files, home):
    self_signed(files, "-not_before", "20200101000000Z", "-not_after", "20200201000000Z", name="expired", subject="old")
    openssl("pkey", "-in", "server.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key", folder=files)
    (files / "text.pem").write_text("this is no certificate\n")
    wrong = {
        ("nowhere.pem", "server.key"): ("server.tls_certificate", "nowhere.pem"),
        ("server.pem", "nowhere.key"): ("server.tls_key", "nowhere.key"),
        ("text.pem", "server.key"): ("server.tls_certificate", "no certificate in PEM format"),
        ("server.pem", "text.pem"): ("server.tls_key", "no private key in PEM format"),
        ("server.pem", "locked.key"): ("server.tls_key", "without a passphrase"),
        ("server.pem", "client.key"): ("server.tls_key", "does not belong to the certificate"),
        ("expired.pem", "expired.key"): ("server.tls_certificate", "expired at 2020-02-01"),
    }
    for (certificate_file, key), told in wrong.items():
        ended = run("serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set", f"server.tls_certificate={files / certificate_file}", "--set",
                    f"server.tls_key={files / key}", home=home, name="hotmic-faults")
        assert ended.code == CONFIG_ERROR, ended.err
        for part in told:
            assert part in ended.err
    for alone in ("tls_certificate", "tls_key", "tls_client_ca"):
        ended = run("serve", "--port", "0", "--set", f"server.{alone}={files / 'server.pem'}", home=home)
        assert ended.code == CONFIG_ERROR and "set both" in ended.err


def test_a_key_that_may_not_be_read_is_said(files, home):
    shutil.copy(files / "server.key", files / "hidden.key")
    (files / "hidden.key").chmod(0)
    without_root_rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    ended = subprocess.run([*without_root_rights, hotmic_py.program("hotmic-faults"), "serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set",
                            f"server.tls_certificate={files / 'server.pem'}", "--set", f"server.tls_key={files / 'hidden.key'}"], cwd=home,
                           env=hotmic_py.environment(home), capture_output=True, text=True, timeout=hotmic_py.PATIENCE, check=False)
    assert ended.returncode == CONFIG_ERROR and "it may not be read" in ended.stderr, ended.stderr


def test_the_command_line_speaks_tls(ready, files, tmp_path):
    heard = run("transcribe", "--server", ready.url, hotmic_py.CLIP, home=tmp_path, env={"SSL_CERT_FILE": str(files / "authority.pem")})
    assert heard.code == 0 and "heard in private" in heard.out
    distrusted = run("transcribe", "--server", ready.url, hotmic_py.CLIP, home=tmp_path)
    assert distrusted.code != 0 and "certificate" in distrusted.err.lower()


# ---- Administration on a listener of its own


def test_administration_is_only_where_it_is_listened_for(secure):
    port = free_port()
    with secure("", "--set", f"server.admin_listen=127.0.0.1:{port}") as server:
        server.wait_ready()
        assert server.request("/admin/models").status == 404
        assert server.request("/readyz").status == 200
        public, server.url = server.url, f"http://127.0.0.1:{port}"
        assert server.request("/admin/models").status == 200
        assert server.request("/readyz").status == 200
        assert server.request("/metrics").status == 200
        assert server.transcribe().status == 404, "it is not for clients"
        server.url = public
        assert server.transcribe().status == 200


def through(path, target):
    asked = subprocess.run(["curl", "-s", "-o", "-", "-w", "\n%{http_code}", "--unix-socket", path, f"http://localhost{target}"], capture_output=True, text=True, check=True)
    body, _, status = asked.stdout.rpartition("\n")
    return int(status), body


def test_administration_by_a_path(fake, tmp_path):
    path = tmp_path / "admin.sock"
    with fake("slots=2", "--set", f"server.admin_listen=unix:{path}") as server:
        server.wait_ready()
        assert stat.S_ISSOCK(path.stat().st_mode) and stat.S_IMODE(path.stat().st_mode) == 0o660
        status, body = through(path, "/admin/models")
        assert status == 200 and '"default"' in body
        told = run("models", "--server", f"unix:{path}", home=tmp_path)
        assert told.code == 0 and "READY" in told.out
        reloaded = run("unload", "default", "--server", f"unix:{path}", home=tmp_path)
        assert reloaded.code == 0, reloaded.err
        assert server.stop() == 0
    assert not path.exists()


def test_a_path_that_a_dead_process_left_is_taken_and_one_in_use_is_not(fake, tmp_path):
    path = tmp_path / "admin.sock"
    with fake("", "--set", f"server.admin_listen=unix:{path}") as server:
        server.wait_ready()
        second = run("serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set", f"server.admin_listen=unix:{path}", home=tmp_path, name="hotmic-faults")
        assert second.code == 7 and "in use" in second.err
        assert through(path, "/readyz")[0] == 200, "it is still the first one's"
        server.process.kill()
    assert path.exists()
    with fake("", "--set", f"server.admin_listen=unix:{path}") as server:
        server.wait_ready()
        assert through(path, "/readyz")[0] == 200


def test_where_nothing_can_be_listened_on_is_said(home):
    for wrong in ("8091", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", "::1:8091", "unix:relative.sock"):
        ended = run("serve", "--port", "0", "--set", f"server.admin_listen={wrong}", home=home)
        assert ended.code == CONFIG_ERROR and "server.admin_listen" in ended.err, wrong
    ended = run("serve", "--port", "0", "--provider", "fake", "--model", "fake:", "--set", "server.admin_listen=unix:/nowhere/admin.sock", home=home, name="hotmic-faults")
    assert ended.code != 0 and "server.admin_listen" in ended.err
