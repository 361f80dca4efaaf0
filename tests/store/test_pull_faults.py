"""Every way in which a download goes wrong: nothing half-written is kept as a model, and each says what to do."""

import ctypes
import resource
import shlex
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from bad_web import BadWeb, answer, redirect
from certificates import self_signed
from hotmic_py import environment, program

DATA = bytes(range(256)) * 400  # 102,400 bytes


def whole(models):
    """The models that would be loaded."""
    return [each for each in models.iterdir() if not each.name.startswith(".")] if models.exists() else []


@pytest.fixture
def pull(hotmic, web, catalogue):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})

    def run(*more, **options):
        return hotmic("pull", "mine", *flags, *more, **options)

    return run


@pytest.mark.parametrize("tenths", range(0, 10))
def test_cut_off_it_goes_on_where_it_was(pull, web, models, tenths):
    cut = len(DATA) * tenths // 10
    web.faults = [web.cut(cut)]
    done = pull()
    assert done.code == 0, done.err
    assert (whole(models)[0] / "a.bin").read_bytes() == DATA
    if cut:
        assert web.requests[1][1]["Range"] == f"bytes={cut}-" and "If-Range" in web.requests[1][1]


def test_cut_off_again_and_again_it_still_arrives(pull, web, models):
    web.faults = [web.cut(10_000)] * 9
    assert pull().code == 0 and (whole(models)[0] / "a.bin").read_bytes() == DATA


def test_a_file_that_changes_meanwhile_is_fetched_from_its_beginning(hotmic, web, models):
    web.files["/x/mine.bin"] = DATA

    def cut_then_change(handler):
        web.serve(handler, cut=50_000)
        web.files["/x/mine.bin"] = DATA[::-1]

    web.faults = [cut_then_change]
    assert hotmic("pull", f"{web.url}/x/mine.bin").code == 0
    assert (whole(models)[0] / "mine.bin").read_bytes() == DATA[::-1]


@pytest.mark.parametrize("data,words", [(DATA[:-1], "should have"), (DATA + b"!", "should have"), (DATA[::-1], "was expected"), (b"", "should have")],
                         ids=["shorter", "longer", "another", "empty"])
def test_wrong_length_and_wrong_digest_are_refused(pull, web, models, data, words):
    web.files["/m/a.bin"] = data
    done = pull()
    assert done.code == 5 and words in done.err and whole(models) == []
    web.files["/m/a.bin"] = DATA  # and nothing of it is in the way of the right one
    assert pull().code == 0


def test_a_wrong_part_of_an_earlier_try_is_thrown_away_once(pull, web, models):
    web.files["/m/a.bin"] = DATA[::-1]
    web.faults = [web.cut(50_000), *[answer(500)] * 9]
    assert pull().code == 5
    web.faults, web.files["/m/a.bin"] = [], DATA
    assert pull().code == 0 and (whole(models)[0] / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("status,words", [(404, "no such file"), (403, "access is refused"), (401, "HF_TOKEN"), (410, "no such file"), (400, "answers 400")])
def test_a_refusal_is_not_asked_again(pull, web, models, status, words):
    web.faults = [answer(status)] * 3
    done = pull()
    assert done.code == 5 and words in done.err and len(web.requests) == 1 and whole(models) == []


def test_a_range_that_is_refused_begins_anew(pull, web, models):
    web.faults = [web.cut(50_000), answer(416), None]
    assert pull().code == 0 and "Range" not in web.requests[2][1]


def test_too_many_requests_wait_as_long_as_they_are_told(pull, web):
    web.faults = [answer(429, Retry_After="1"), answer(503, Retry_After="1")]
    assert pull().code == 0 and len(web.requests) == 3


def test_too_long_a_wait_is_no_wait(pull, web, models):
    web.faults = [answer(429, Retry_After="3600")] * 2
    done = pull()
    assert done.code == 5 and "too many requests" in done.err and "try again later" in done.err and len(web.requests) == 1


def test_errors_of_the_server_pass_or_are_told(pull, web, models):
    web.faults = [answer(500), answer(502)]
    assert pull().code == 0
    web.faults = [answer(500)] * 9
    assert pull("--set", "models_dir=elsewhere").code == 5 and len(web.requests) == 3 + 4


def test_redirects_are_followed_to_other_hosts_without_the_token(hotmic, web):
    with BadWeb() as other:
        other.files["/there"] = DATA
        web.faults = [redirect(f"{other.url.replace('127.0.0.1', 'localhost')}/there")]
        done = hotmic("pull", "silero", env={"HF_ENDPOINT": web.url, "HF_TOKEN": "secret", "no_proxy": "127.0.0.1,localhost"})
        assert "should have 885098" in done.err  # it came from there, and is not Silero
        assert web.requests[0][1]["Authorization"] == "Bearer secret"
        assert "Authorization" not in other.requests[0][1]


@pytest.mark.parametrize("to,words", [("/m/a.bin", "redirects more than 10 times"), ("file:///etc/passwd", "only https is followed"),
                                      ("gopher://127.0.0.1/x", "only https is followed")])
def test_redirects_that_lead_nowhere_are_refused(pull, web, models, to, words):
    web.faults = [redirect(to)] * 40
    done = pull()
    assert done.code == 5 and words in done.err and whole(models) == []


def test_a_slow_drip_is_given_up_and_gone_on_with(pull, web, models):
    web.faults = [web.slowly(100, 0.3), None]
    done = pull("--set", "download.stall_timeout_ms=2000")
    assert done.code == 0 and "Range" in web.requests[1][1]


def test_a_download_has_a_limit_of_its_own(pull, web, models):
    web.faults = [web.slowly(2_000, 0.1)]
    done = pull("--set", "download.timeout_ms=1000")
    assert done.code == 5 and "longer than it may" in done.err and whole(models) == []


def test_compression_that_was_not_asked_for_is_refused(pull, web, models):
    web.faults = [answer(200, b"\x1f\x8b\x08", Content_Encoding="gzip")]
    done = pull()
    assert done.code == 5 and "compressed" in done.err and whole(models) == []


def test_a_file_over_the_limit_is_refused(hotmic, web, models):
    web.files["/x/mine.bin"] = DATA
    done = hotmic("pull", f"{web.url}/x/mine.bin", "--set", "download.max_bytes=1000")
    assert done.code == 5 and "over the limit" in done.err and whole(models) == []


def test_a_full_disk_is_told_and_left_as_it_was(home, web, models, catalogue):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    done = subprocess.run([program(), "pull", "mine", *flags], cwd=home, env=environment(home), capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    assert done.returncode == 5 and "ulimit -f" in done.stderr, done.stderr
    assert whole(models) == [] and list(models.glob(".partial/*/*.part")) == []


def test_a_disk_that_fills_up_on_the_way_is_told_and_emptied_again(home, web, models):
    """A disk of one megabyte, and a server that does not say that it sends three."""
    body = DATA * 30

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    web.faults = [endless]
    models.mkdir(parents=True)
    under = [sys.executable, Path(__file__).parents[1] / "support/on_small_disk.py", models, "1000000"]
    told = 'import os, sys; os.system(sys.argv[1] + "; echo exit $?; ls -A " + sys.argv[2] + "/.partial/*/")'
    command = shlex.join([str(program()), "pull", f"{web.url}/x/mine.bin", "--sha256", "0" * 64])
    done = subprocess.run([*map(str, under), sys.executable, "-c", told, command, str(models)], cwd=home, env=environment(home, no_proxy="127.0.0.1"),
                          capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    told, left = done.stdout.split("exit ")
    assert left.split() == ["5"] and "No space left" in done.stderr, done


def test_a_disk_without_room_is_noticed_before_anything_is_asked(hotmic, web, models, catalogue):
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    toml = models.parents[3] / "catalogue.toml"
    toml.write_text(toml.read_text().replace(f"size = {len(DATA)}", "size = 9000000000000"))
    done = hotmic("pull", "mine", *flags)
    assert done.code == 5 and "are free for" in done.err and web.requests == []


def test_a_folder_that_may_not_be_written_is_told(hotmic, web, home, catalogue):
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    (home / "taken").write_text("a file where the folder should be")
    done = hotmic("pull", "mine", *flags, "--set", f"models_dir={home / 'taken'}")
    assert done.code == 1 and "cannot be written" in done.err


def unprivileged():
    """Without root's right to write everywhere, in this process and what it becomes."""
    libc, PR_CAPBSET_DROP = ctypes.CDLL(None, use_errno=True), 24
    CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER = 1, 2, 3
    for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER):
        libc.prctl(PR_CAPBSET_DROP, right, 0, 0, 0)  # whoever is not root has none of them


@pytest.mark.parametrize("where", ["models", "partial"])
def test_without_the_permission_to_write_that_is_told_and_nothing_is_asked(home, web, models, catalogue, where):
    web.files["/m/a.bin"] = DATA
    flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
    closed = models if where == "models" else models / ".partial"
    closed.mkdir(parents=True)
    closed.chmod(0o555)
    pull = partial(subprocess.run, [program(), "pull", "mine", *flags], cwd=home, env=environment(home, no_proxy="127.0.0.1"), capture_output=True, text=True)
    done = pull(preexec_fn=unprivileged)
    assert done.returncode == 1 and "Permission denied" in done.stderr and "models_dir" in done.stderr, done.stderr
    assert whole(models) == [] and web.requests == []
    closed.chmod(0o755)
    assert pull().returncode == 0


def test_downloads_go_through_the_proxy_of_the_environment(hotmic, web, models, catalogue):
    """As a proxy the server is asked for whole addresses, of a host that only it can reach."""
    web.files["http://models.invalid/m/a.bin"] = DATA
    flags = catalogue("http://models.invalid/m", files={"a.bin": DATA})
    done = hotmic("pull", "mine", *flags, env={"http_proxy": web.url, "no_proxy": ""})
    assert done.code == 0, done.err
    assert [asked for asked, _ in web.requests] == ["http://models.invalid/m/a.bin"] and (whole(models)[0] / "a.bin").read_bytes() == DATA
    done = hotmic("pull", "silero", env={"https_proxy": "http://127.0.0.1:1", "HF_ENDPOINT": "https://models.invalid"})
    assert done.code == 5 and "https_proxy" in done.err  # it was tried, and nobody is there


def test_nobody_there_says_what_to_check(hotmic, catalogue, models):
    done = hotmic("pull", "mine", *catalogue("http://127.0.0.1:1/m", files={"a.bin": DATA}))
    assert done.code == 5 and "check the network" in done.err and whole(models) == []


@pytest.mark.parametrize("wrong,words", [
    ("colour = 1\n", "has no key colour"), ("licance = \"MIT\"\n", "did you mean licence?"), ("kind = 3\n", "must be a string"),
    ("memory_mb = -1\n", "not negative")])
def test_a_catalogue_with_what_is_unknown_is_told_by_its_line(hotmic, home, wrong, words):
    (home / "c.toml").write_text(f'[x]\n{wrong}[[x.sources]]\nurl = "https://a/b"\nfiles = [{{ name = "a.bin", digest = "unverified" }}]\n')
    done = hotmic("pull", "list", "--set", f"catalogue={home / 'c.toml'}")
    assert done.code == 7 and words in done.err and "line " in done.err


@pytest.mark.parametrize("name,file,path", [('"../up"', "a.bin", ""), ('"a/b/c"', "a.bin", ""), ('".hidden"', "a.bin", ""), ("x", "../a.bin", ""),
                                            ("x", "a/b.bin", ""), ("x", "hotmic-model.json", ""), ("x", "a.bin", "../../a.bin"), ("x", "a.bin", "/etc/passwd")])
def test_names_that_look_like_paths_are_refused(hotmic, home, name, file, path):
    path = f'path = "{path}", ' if path else ""
    (home / "c.toml").write_text(f'[{name}]\n[[{name}.sources]]\nurl = "https://a/b"\nfiles = [{{ name = "{file}", {path}digest = "unverified" }}]\n')
    done = hotmic("pull", "list", "--set", f"catalogue={home / 'c.toml'}")
    assert done.code == 7 and ("cannot be" in done.err or "leaves its folder" in done.err)


@pytest.mark.parametrize("url", ["https://a.example/", "https://a.example/x/", "https://a.example/..", "https://a.example/x/.hidden", "ftp://a.example/m.bin",
                                 "https://a.example/a%2fb.bin"])
def test_urls_that_name_no_file_are_refused(hotmic, url):
    assert hotmic("pull", url).code == 3
    assert hotmic("pull", "https://a.example/m.bin", "--name", "../up").code == 3


@pytest.mark.parametrize("name,more,trusted,words", [
    ("IP:127.0.0.1", [], False, "certificate"),
    ("DNS:elsewhere.example", [], True, "127.0.0.1"),
    ("IP:127.0.0.1", ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"], True, "expired"),
    ("IP:127.0.0.1", [], True, "")], ids=["nobody vouches for it", "of another host", "expired", "right"])
def test_a_wrong_certificate_is_refused(hotmic, models, catalogue, home, name, more, trusted, words):
    cert, key = self_signed(home, "-addext", f"subjectAltName={name}", *more)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with BadWeb(context) as web:
        web.files["/m/a.bin"] = DATA
        flags = catalogue(f"{web.url}/m", files={"a.bin": DATA})
        env = hotmic.keywords["env"] | {"CURL_CA_BUNDLE": "", "SSL_CERT_FILE": cert if trusted else ""}
        done = hotmic("pull", "mine", *flags, env=env)
        if not words:
            assert done.code == 0, done.err
            return
        assert done.code == 5 and words in done.err and "SSL_CERT_FILE" in done.err, done.err
        assert whole(models) == [] and web.requests == []


def test_a_redirect_from_https_to_http_is_refused(hotmic, web, models, catalogue, home):
    web.files["/m/a.bin"] = DATA
    cert, key = self_signed(home, "-addext", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with BadWeb(context) as safe:
        safe.faults = [redirect(f"{web.url}/m/a.bin")]
        done = hotmic("pull", "mine", *catalogue(f"{safe.url}/m", files={"a.bin": DATA}), env=hotmic.keywords["env"] | {"CURL_CA_BUNDLE": "", "SSL_CERT_FILE": cert})
    assert done.code == 5 and "only https is followed" in done.err, done.err
    assert whole(models) == [] and web.requests == []
