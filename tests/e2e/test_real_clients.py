"""Programs that others wrote, unmodified: `requests`, `aiohttp`, `axios`, and HAProxy, nginx and Caddy in front. The engine is the tests' fake."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess

import pytest

import hotmic_py
from hotmic_py import CLIP, PATIENCE, SOURCE, Messages, free_port, minutes_of_speech, speech_pcm, until
from proxies import Behind, haproxy_status, running

TEXT = "the fake has spoken"
URL = "/v1/audio/transcriptions"
EVENTS = ["transcript.text.delta", "transcript.text.done"]


def serve(home, script=f"text={TEXT}", *arguments):
    return hotmic_py.Server("--provider", "fake", "--model", f"fake:{script}", "--level", "0", *arguments, home=home, name="hotmic-faults")


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("home"), f"text={TEXT}", "--set", "server.max_body_bytes=2000000") as server:
        yield server.wait_ready()


def kinds_of(events):
    """The types of a stream's events, as its `event:` lines tell them; the stream has to have come to its end."""
    lines = [line for line in events.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


class TestRequests:
    @pytest.fixture
    def requests(self):
        return pytest.importorskip("requests", reason="NO REQUESTS: apt install python3-requests")

    def test_a_form_and_its_fields(self, fake, requests):
        with CLIP.open("rb") as file:
            answer = requests.post(fake.url + URL, files={"file": file}, data={"model": "whisper-1", "response_format": "verbose_json",
                                                                             "timestamp_granularities[]": ["word", "segment"], "temperature": 0.0})
        assert answer.status_code == 200 and answer.encoding == "utf-8"
        assert answer.json()["text"] == TEXT and answer.json()["words"] and answer.json()["segments"]

    def test_a_file_without_a_name(self, fake, requests):
        answer = requests.post(fake.url + URL, files={"file": CLIP.read_bytes(), "response_format": (None, "text")})
        assert answer.text == TEXT + "\n"

    def test_a_list_for_a_field_that_is_one_and_python_s_booleans(self, fake, requests):
        answer = requests.post(fake.url + URL, files={"file": CLIP.read_bytes()}, data={"stream": False, "language": "en"})
        assert answer.json()["text"] == TEXT

    def test_events(self, fake, requests):
        with requests.post(fake.url + URL, files={"file": CLIP.read_bytes()}, data={"stream": True}, stream=True) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert kinds_of("\n".join(answer.iter_lines(decode_unicode=True))) == EVENTS

    def test_a_session_keeps_its_connection_and_is_told_what_is_wrong(self, fake, requests):
        with requests.Session() as session:
            for _ in range(3):
                refused = session.post(fake.url + URL, files={"audio": CLIP.read_bytes()})
                assert refused.status_code == 400 and "audio" in refused.json()["error"]["message"]
                assert session.post(fake.url + URL, files={"file": CLIP.read_bytes()}).json()["text"] == TEXT

    def test_a_file_that_is_too_large_is_told_though_all_of_it_is_sent_first(self, fake, requests):
        answer = requests.post(fake.url + URL, files={"file": bytes(8_000_000)})
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"

    def test_json_in_place_of_a_form(self, fake, requests):
        answer = requests.post(fake.url + URL, json={"file": "clip.flac"})
        assert answer.status_code == 400 and "multipart/form-data" in answer.json()["error"]["message"]


class TestAiohttp:
    @pytest.fixture
    def using(self, fake):
        """Runs what an async function does with a session of aiohttp's."""
        aiohttp = pytest.importorskip("aiohttp", reason="NO AIOHTTP: apt install python3-aiohttp")

        def run(work):
            async def main():
                async with aiohttp.ClientSession(fake.url, timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
                    return await work(session, aiohttp)

            return asyncio.run(main())

        return run

    def test_a_form(self, using):
        async def work(session, aiohttp):
            form = aiohttp.FormData({"model": "default", "response_format": "json"})
            form.add_field("file", CLIP.open("rb"), filename="clip.flac", content_type="audio/flac")
            async with session.post(URL, data=form) as answer:
                return answer.status, await answer.json()

        status, body = using(work)
        assert status == 200 and body["text"] == TEXT

    def test_a_form_in_chunks(self, using):
        """A file that comes from elsewhere has no length."""

        async def pieces():
            yield CLIP.read_bytes()[:1000]
            yield CLIP.read_bytes()[1000:]

        async def work(session, aiohttp):
            with aiohttp.MultipartWriter("form-data") as form:
                form.append("text", {"Content-Disposition": 'form-data; name="response_format"'})
                form.append(pieces(), {"Content-Disposition": 'form-data; name="file"; filename="clip.flac"', "Content-Type": "audio/flac"})
                async with session.post(URL, data=form, expect100=True) as answer:
                    return answer.request_info.headers.get("Transfer-Encoding"), await answer.text()

        assert using(work) == ("chunked", TEXT + "\n")

    def test_events(self, using):
        async def work(session, aiohttp):
            form = aiohttp.FormData({"stream": "true"})
            form.add_field("file", CLIP.read_bytes(), filename="clip.flac")
            async with session.post(URL, data=form) as answer:
                return "".join([line.decode() async for line in answer.content])

        assert kinds_of(using(work)) == EVENTS

    def test_a_live_session(self, using):
        async def work(session, aiohttp):
            seen = []
            async with session.ws_connect("/v1/realtime?intent=transcription", compress=15, heartbeat=PATIENCE) as live:
                pcm = speech_pcm(24000, 1)
                for at in range(0, len(pcm), 48000):
                    await live.send_json({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm[at:at + 48000]).decode()})
                async for message in live:
                    seen.append(message.json())
                    if seen[-1]["type"] == "conversation.item.input_audio_transcription.completed":
                        break
            return seen, live.close_code

        seen, code = using(work)
        assert seen[0]["type"] == "session.created" and seen[-1]["transcript"] == TEXT
        assert code == 1000

    def test_many_at_once(self, using):
        async def work(session, aiohttp):
            async def one():
                async with session.post(URL, data={"file": CLIP.open("rb")}) as answer:
                    return (await answer.json())["text"]

            return await asyncio.gather(*[one() for _ in range(20)])

        assert using(work) == [TEXT] * 20


def test_axios(fake, npm):
    done = subprocess.run(["node", "axios.mjs", fake.url, CLIP], cwd=npm, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got["buffer"]["text"] == got["stream"]["text"] == got["object"]["text"] == TEXT and got["native"] == TEXT + "\n"
    assert got["type"].startswith("text/event-stream") and kinds_of(got["events"]) == EVENTS
    errors = got["errors"]
    assert (errors["field"]["status"], errors["method"]["status"]) == (400, 405)
    assert (errors["large"]["status"], errors["large"]["code"]) == (413, "body_too_large")
    assert all(error["message"] for error in errors.values())


def port_of(server):
    return server.url.rpartition(":")[2]


class TestHAProxy:
    @staticmethod
    @contextlib.contextmanager
    def in_front(server, folder, check, more=""):
        if not shutil.which("haproxy"):
            pytest.skip("NO HAPROXY: apt install haproxy")
        port, told = free_port(), free_port()
        (folder / "haproxy.cfg").write_text(f"""
defaults
    mode http
    timeout connect {PATIENCE}s
    timeout check {PATIENCE}s
    timeout client {PATIENCE}s
    timeout server {PATIENCE}s
    timeout tunnel {PATIENCE}s
frontend all
    bind 127.0.0.1:{port}
    default_backend hotmic
frontend told
    bind 127.0.0.1:{told}
    stats enable
    stats uri /
backend hotmic
    option {check}
    {more}
    server one 127.0.0.1:{port_of(server)} check inter 20ms fall 2 rise 2
""")
        with running("haproxy", ["haproxy", "-db", "-f", folder / "haproxy.cfg"], folder, port, told) as proxy:
            def comes_to(wanted):
                """Waits until that is its state by a check that was answered; while the next check is under way nothing is told of the last."""
                codes = {"UP": ("200", "204"), "DOWN": ("503",)}[wanted]
                until(lambda: (row := haproxy_status(Behind(told), "one"))["check_code"] in codes and row["status"].startswith(wanted), f"the server is {wanted}")

            proxy.comes_to = comes_to
            yield proxy

    @pytest.mark.parametrize("check", ["httpchk", "httpchk /readyz", "httpchk OPTIONS /livez", "httpchk HEAD /readyz", "httpchk GET /health",
                                       "httpchk GET /readyz HTTP/1.1\n    http-check send hdr Host hotmic"])
    def test_a_server_that_is_ready_is_up(self, fake, tmp_path, check):
        with self.in_front(fake, tmp_path, check) as proxy:
            proxy.comes_to("UP")
            assert proxy.transcribe().json()["text"] == TEXT

    @pytest.mark.parametrize("check", ["httpchk /readyz", "httpchk OPTIONS /readyz", "httpchk HEAD /readyz", "httpchk GET /readyz", "httpchk GET /health",
                                       "httpchk /health", "httpchk GET /v2/health/ready"])
    def test_a_server_that_is_not_is_down(self, tmp_path, check):
        with serve(tmp_path, "hang=load") as server, self.in_front(server, tmp_path, check) as proxy:
            server.wait_for("→ LOADING")
            proxy.comes_to("DOWN")

    def test_it_is_up_again_and_down_when_it_ends(self, tmp_path):
        with serve(tmp_path, f"text={TEXT}", "--set", "server.drain_delay_ms=3600000", "--set", "server.shutdown_timeout_ms=3600000") as server, \
                self.in_front(server, tmp_path, "httpchk GET /readyz") as proxy:
            server.wait_ready()
            proxy.comes_to("UP")
            assert server.request("/admin/models/default/unload", "POST", b"").status == 202
            proxy.comes_to("DOWN")
            assert server.request("/admin/models/default/load", "POST", b"").status == 202
            proxy.comes_to("UP")
            server.process.terminate()
            proxy.comes_to("DOWN")

    def test_it_is_up_though_no_connection_is_free(self, tmp_path):
        with serve(tmp_path, "", "--set", "server.max_connections=8") as server, contextlib.ExitStack() as held:
            server.wait_ready()
            for _ in range(8):
                held.enter_context(Messages(server, "/v1/realtime"))
            with self.in_front(server, tmp_path, "httpchk") as proxy:
                proxy.comes_to("UP")

    def test_everything_passes_through_and_nobody_administers(self, fake, tmp_path):
        with self.in_front(fake, tmp_path, "httpchk", "option forwardfor") as proxy:
            proxy.comes_to("UP")
            assert kinds_of(proxy.transcribe(stream="true").text) == EVENTS
            with Messages(proxy, "/v1/realtime") as live:
                assert live.until("session.created")
            assert proxy.request("/admin/models").status == 401

    def test_who_asks_for_an_address_from_outside_does_not_administer(self, fake, tmp_path):
        """A proxy that tells nothing of itself passes on what its clients ask for."""
        with self.in_front(fake, tmp_path, "httpchk") as proxy:
            proxy.comes_to("UP")
            for host in ("203.0.113.9", "[2001:db8::9]:80", "evil.example"):
                assert proxy.request("/admin/models", headers={"Host": host}).status == 401


class BehindAProxy:
    """What holds behind each proxy that is documented (AS_DOCUMENTED); `in_front` is one before a server, with a configuration."""

    HOSTS = ("localhost", "127.0.0.1")  # by which it may be asked

    @staticmethod
    def hear_files_and_events(proxy):
        for _ in range(3):
            assert proxy.transcribe().json()["text"] == TEXT
        assert kinds_of(proxy.transcribe(stream="true").text) == EVENTS
        assert proxy.request("/readyz", "HEAD").status == 200 and proxy.request("/", "OPTIONS").status == 204

    def test_text_comes_while_the_file_is_recognized(self, tmp_path):
        requests = pytest.importorskip("requests", reason="NO REQUESTS: apt install python3-requests")
        with serve(tmp_path, f"text={TEXT}&infer_ms=300") as server, self.in_front(server, tmp_path, self.AS_DOCUMENTED) as proxy:
            server.wait_ready()
            with requests.post(proxy.url + URL, files={"file": minutes_of_speech()}, data={"stream": "true"}, stream=True) as answer:
                lines = answer.iter_lines()
                assert b"transcript.text.delta" in next(lines)
                assert "recognized request" not in server.log(), "the rest of the file is still being recognized"
                assert list(lines)[-2:] == [b"data: [DONE]", b""]

    def test_live_sessions(self, fake, tmp_path):
        with self.in_front(fake, tmp_path, self.AS_DOCUMENTED) as proxy, Messages(proxy, "/v1/realtime", origin=proxy.url) as live:
            live.until("session.created")
            pcm = speech_pcm(24000, 1)
            live.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})
            assert live.until("conversation.item.input_audio_transcription.completed")["transcript"] == TEXT

    def test_nobody_administers_through_it(self, fake, tmp_path):
        with self.in_front(fake, tmp_path, self.WITH_ADMIN) as proxy:
            for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, *({"Host": host} for host in self.HOSTS)):
                answer = proxy.request("/admin/models", headers=headers)
                assert answer.status == 401 and answer.json()["error"]["code"] == "unauthorized"
            assert proxy.request("/admin/reload", "POST", b"").status == 401
        assert fake.request("/admin/models").status == 200
        with self.in_front(fake, tmp_path, self.AS_DOCUMENTED) as proxy:
            assert proxy.request("/admin/models").status == 403


class TestNginx(BehindAProxy):
    AS_DOCUMENTED = (SOURCE / "deploy/nginx/hotmic.conf").read_text()
    WITH_ADMIN = AS_DOCUMENTED.replace("location /admin", "location /no-such-path")
    BARE = """
server {
    listen 127.0.0.1:8080;
    client_max_body_size 0;
    location / {
        proxy_pass http://127.0.0.1:8090;
    }
}
"""

    @staticmethod
    @contextlib.contextmanager
    def in_front(server, folder, servers):
        if not shutil.which("nginx"):
            pytest.skip("NO NGINX: apt install nginx-light")
        port = free_port()
        temporary = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
{temporary}
{servers.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("127.0.0.1:8090", f"127.0.0.1:{port_of(server)}")}
}}
""")
        with running("nginx", ["nginx", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"], folder, port) as proxy:
            yield proxy

    @pytest.mark.parametrize("servers", [AS_DOCUMENTED, BARE], ids=["as documented", "bare"])
    def test_files_and_events(self, fake, tmp_path, servers):
        with self.in_front(fake, tmp_path, servers) as proxy:
            self.hear_files_and_events(proxy)
            refused = proxy.request(URL, "POST", bytes(4_000_000), {"Content-Type": "multipart/form-data; boundary=b"})
            assert refused.status == 413 and refused.json()["error"]["code"] == "body_too_large"

    def test_a_proxy_that_passes_no_upgrade_on_is_told_so(self, fake, tmp_path):
        with self.in_front(fake, tmp_path, self.BARE) as proxy:
            answer = proxy.request("/v1/realtime", headers={"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                                                            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()})
            assert answer.status == 426 and "proxy" in answer.json()["error"]["message"] + answer.text


class TestCaddy(BehindAProxy):
    HOSTS = ("127.0.0.1",)  # of its site
    AS_DOCUMENTED = (SOURCE / "deploy/caddy/Caddyfile").read_text()
    WITH_ADMIN = AS_DOCUMENTED.replace("handle /admin*", "handle /no-such-path")

    @staticmethod
    @contextlib.contextmanager
    def in_front(server, folder, sites):
        if not shutil.which("caddy"):
            pytest.skip("NO CADDY: apt install caddy")
        port = free_port()
        (folder / "Caddyfile").write_text(sites.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("127.0.0.1:8090", f"127.0.0.1:{port_of(server)}"))
        with running("caddy", ["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], folder, port, variables={"HOME": str(folder)}) as proxy:
            yield proxy

    def test_files_and_events(self, fake, tmp_path):
        with self.in_front(fake, tmp_path, self.AS_DOCUMENTED) as proxy:
            self.hear_files_and_events(proxy)
