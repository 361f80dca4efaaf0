"""The packages, the tarball and the image as users have them: put into a fresh Debian, run, upgraded, purged."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from fresh_root import Root
from hotmic_py import CLIP as SPOKEN
from hotmic_py import NUMBERS_MODEL, NUMBERS_TEXT, SOURCE, Server, free_port, heard, numbers_clip

CLIP = NUMBERS_MODEL.with_name("clip.wav")
MODELS = "/var/lib/hotmic/models"


def shell(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def packages():
    if made := os.environ.get("HOTMIC_TEST_PACKAGES"):  # those of an earlier `dev/package`
        return Path(made)
    done = shell(SOURCE / "dev/package")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return SOURCE / "build/release/packages"


def package(packages, name):
    [found] = packages.glob(f"{name}_*.deb")
    return found


def serving(root, *arguments, user="hotmic", options=(), program="/usr/bin/hotmic"):
    """`hotmic serve` in that root as that user, with the numbers model in its place."""
    options = [*options, *(("--user", user) if user else ())]
    return Server("--provider", "whisper_cpp", "--set", f"models_dir={MODELS}", *numbers_clip_in_root(), *arguments, home=SOURCE, name=program,
                  under=root.under(*options), port=free_port())


def numbers_clip_in_root():
    return [flag.replace(str(NUMBERS_MODEL.parent), MODELS) for flag in numbers_clip()]


def give_model(root):
    for file in (NUMBERS_MODEL, CLIP):
        shutil.copy(file, root.path(MODELS))


# --- what is in them


def test_lintian_finds_no_error(packages):
    done = shell("lintian", "--allow-root", "--fail-on", "error", *packages.glob("*.deb"))
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


def test_every_command_has_a_manual_page(packages, tmp_path):
    shell("dpkg-deb", "-x", package(packages, "hotmic"), tmp_path)
    pages = {page.name.removesuffix(".1.gz") for page in (tmp_path / "usr/share/man/man1").iterdir()}
    assert {"hotmic", "hotmic-serve", "hotmic-pull", "hotmic-status"} < pages
    for name in pages:
        text = shell("gzip", "-dc", tmp_path / f"usr/share/man/man1/{name}.1.gz").stdout
        assert re.search(r"^\.SH NAME$", text, re.M) and re.search(r"^\.SH OPTIONS|^\.SS.*OPTIONS", text, re.M | re.I), name


# --- installed


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory):
    root = Root.fresh(tmp_path_factory.mktemp("installed") / "root")
    shutil.copy(package(packages, "hotmic"), root.path("/tmp/hotmic.deb"))
    root.apt("update")
    root.apt("install", "/tmp/hotmic.deb", "systemd-standalone-sysusers", "systemd-standalone-tmpfiles", "zsh", "fish")
    return root


def test_installing_makes_the_user_and_its_folders(installed):
    user = next(line for line in installed.path("/etc/passwd").read_text().splitlines() if line.startswith("hotmic:")).split(":")
    assert user[5] == "/var/lib/hotmic" and user[6].endswith("nologin")
    owner = installed.run("stat", "-c", "%U:%G %a", "/var/lib/hotmic", MODELS).stdout.splitlines()
    assert owner == ["hotmic:hotmic 750", "hotmic:hotmic 750"]
    assert "/etc/hotmic/hotmic.toml" in installed.run("dpkg-query", "-W", "-f", "${Conffiles}", "hotmic").stdout
    assert installed.run("hotmic", "config").stdout.startswith("# Read from /etc/hotmic/hotmic.toml.")
    for unit in ("hotmic.service", "hotmic.socket", "hotmic-wyoming.socket"):
        assert installed.path(f"/usr/lib/systemd/system/{unit}").exists()


def test_without_a_model_it_says_what_to_do(installed):
    done = installed.run("hotmic", "serve", options=("--user", "hotmic"), code=5)
    assert "hotmic: " in done.stderr and "pull" in done.stderr, done.stderr


def test_it_serves_as_a_user_would_have_it(installed):
    give_model(installed)
    with serving(installed) as server:
        server.wait_ready()
        assert server.transcribe(CLIP).json()["text"].strip().lower().strip(".") == NUMBERS_TEXT
        assert installed.run("hotmic", "status", "--ready", "--server", server.url).stdout == "ok\ndefault: READY\n"
        assert server.stop() == 0


def test_it_serves_with_nothing_to_write_to(installed):
    """A home and everything else that is read-only, as of a unit with ProtectSystem=strict; uploads stay in memory."""
    give_model(installed)
    with serving(installed, options=["--read-only"]) as server:
        server.wait_ready()
        assert server.transcribe(CLIP).status == 200
        assert "uploads stay in memory" in server.log()
        assert server.stop() == 0


def test_shells_complete_it(installed):
    assert "transcribe" in installed.run("fish", "-c", "complete -C 'hotmic tran'").stdout
    assert "vtt" in installed.run("fish", "-c", "complete -C 'hotmic transcribe --format v'").stdout
    for shell_name, file in (("bash", "bash-completion/completions/hotmic"), ("zsh", "zsh/vendor-completions/_hotmic"), ("fish", "fish/vendor_completions.d/hotmic.fish")):
        installed.run(shell_name, "-n", f"/usr/share/{file}")


def test_the_library_is_found_and_builds_the_example(packages, installed):
    shutil.copy(package(packages, "hotmic-dev"), installed.path("/tmp/hotmic-dev.deb"))
    installed.apt("install", "/tmp/hotmic-dev.deb", "cmake", "make", "g++", "pkgconf", "pocketsphinx-en-us")
    shutil.copytree(SOURCE / "examples/library", installed.path("/tmp/example"))
    installed.run("cmake", "-S", "/tmp/example", "-B", "/tmp/example/build")
    installed.run("cmake", "--build", "/tmp/example/build")
    installed.run("sh", "-c", "c++ -std=c++23 /tmp/example/main.cpp -o /tmp/example/by-pkgconf $(pkgconf --cflags --libs hotmic)")
    for program in ("/tmp/example/build/example", "/tmp/example/by-pkgconf"):
        assert installed.run(program, "-", "/tmp/no-such-file.wav", code=4)
    shutil.copy(SPOKEN, installed.path("/tmp/spoken.flac"))
    said = installed.run("/tmp/example/build/example", "-", "/tmp/spoken.flac").stdout
    assert heard(said) > 0.5, said


@pytest.mark.parametrize("before, asked", [("", "start"), ("0.0.1-1", "try-restart")])
def test_under_systemd_it_is_started_without_waiting_for_a_model(installed, before, asked):
    """With a systemctl that only notes what it is asked; and not where the administrator's policy forbids it."""
    script = f"""set -e
mkdir -p /run/systemd/system /run/bin
printf '#!/bin/sh\necho "$@" >>/run/asked\n' >/run/bin/systemctl
chmod +x /run/bin/systemctl
PATH=/run/bin:$PATH sh /var/lib/dpkg/info/hotmic.postinst configure {before}
echo denied >>/run/asked
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
PATH=/run/bin:$PATH sh /var/lib/dpkg/info/hotmic.postinst configure {before}
rm /usr/sbin/policy-rc.d
cat /run/asked"""
    allowed, denied = installed.run("sh", "-c", script).stdout.split("denied\n")
    assert f"--system --no-block {asked} hotmic.service" in allowed.splitlines()
    assert asked not in denied and "daemon-reload" in denied


def test_an_upgrade_keeps_what_was_configured_and_what_was_downloaded(packages, installed, tmp_path):
    give_model(installed)
    installed.path("/etc/hotmic/hotmic.toml").write_text('models_dir = "/var/lib/hotmic/models"\n[server]\nport = 9123\n')
    shell("dpkg-deb", "-R", package(packages, "hotmic"), tmp_path / "newer")
    control = tmp_path / "newer/DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", "Version: 99.0-1", control.read_text(), flags=re.M))
    shell("dpkg-deb", "--root-owner-group", "-b", tmp_path / "newer", installed.path("/tmp/newer.deb"))
    installed.apt("install", "/tmp/newer.deb", "-o", "Dpkg::Options::=--force-confold")
    assert installed.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "hotmic").stdout == "99.0-1 install ok installed"
    assert "port = 9123" in installed.run("hotmic", "config").stdout
    assert installed.path(f"{MODELS}/{NUMBERS_MODEL.name}").exists()
    installed.apt("install", "--reinstall", "/tmp/newer.deb")


def test_removing_keeps_the_configuration_and_purging_leaves_nothing(installed):
    installed.apt("remove", "hotmic")
    assert not installed.path("/usr/bin/hotmic").exists()
    assert installed.path("/etc/hotmic/hotmic.toml").exists() and installed.path(MODELS).exists()
    installed.apt("purge", "hotmic")
    left = installed.run("sh", "-c", "ls -d /etc/hotmic /var/lib/hotmic /usr/lib/systemd/system/hotmic* /usr/share/doc/hotmic 2>/dev/null", code=None).stdout
    assert left == ""


# --- the tarball


def test_the_tarball_runs_wherever_it_is_unpacked(packages, tmp_path):
    """In a Debian that has nothing of what it needs but glibc."""
    root = Root.fresh(tmp_path / "root")
    [archive] = packages.glob("hotmic-*.tar.xz")
    with tarfile.open(archive) as unpacked:
        unpacked.extractall(root.path("/opt"), filter="tar")
    [top] = root.path("/opt").iterdir()
    top.rename(root.path("/opt/somewhere"))
    program = "/opt/somewhere/bin/hotmic"
    told = json.loads(root.run(program, "providers", "--json").stdout)
    assert "whisper_cpp" in json.dumps(told) and "onnx" in json.dumps(told)
    linked = root.run("sh", "-c", "ldd /opt/somewhere/lib/hotmic/hotmic").stdout
    assert "not found" not in linked and "/opt/somewhere/lib/hotmic/libonnxruntime" in linked
    root.path(MODELS).mkdir(parents=True)
    give_model(root)
    with serving(root, user="nobody", program=program) as server:
        server.wait_ready()
        assert server.transcribe(CLIP).json()["text"].strip().lower().strip(".") == NUMBERS_TEXT
        assert server.stop() == 0


# --- the image


@pytest.fixture(scope="module")
def image(packages, tmp_path_factory):
    done = shell(SOURCE / "dev/image")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    print(done.stdout)
    bundle = tmp_path_factory.mktemp("image") / "bundle"
    done = shell("umoci", "unpack", *([] if shell("id", "-u").stdout.strip() == "0" else ["--rootless"]), "--image", packages / "image:hotmic", bundle)
    assert done.returncode == 0, done.stderr
    return bundle


def test_the_image_is_small_and_says_how_it_is_run(packages, image):
    layout = packages / "image"
    size = sum(file.stat().st_size for file in layout.rglob("*") if file.is_file())
    assert size < 150e6, f"{size / 1e6:.0f} MB"

    def blob(descriptor):
        return json.loads((layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())

    [named] = json.loads((layout / "index.json").read_text())["manifests"]
    config = blob(blob(named)["config"])["config"]
    assert config["Entrypoint"] == ["/usr/bin/hotmic"] and config["Cmd"] == ["serve"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/hotmic", "status", "--ready"]
    assert config["User"].split(":")[0] not in ("", "0", "root") and MODELS in config["Volumes"]
    assert not (image / "rootfs/usr/bin/sh").exists() and not (image / "rootfs/usr/bin/apt").exists()


def test_the_image_serves_read_only_and_without_rights(image, tmp_path):
    root = Root(image / "rootfs")
    models = tmp_path / "models"
    models.mkdir()
    for file in (NUMBERS_MODEL, CLIP):
        shutil.copy(file, models)
    for folder in (tmp_path.parent, tmp_path, models):
        folder.chmod(0o755)
    with serving(root, options=["--read-only", "--bind", f"{models}:{MODELS}"]) as server:
        server.wait_ready()
        assert server.transcribe(CLIP).json()["text"].strip().lower().strip(".") == NUMBERS_TEXT
        health = root.run("/usr/bin/hotmic", "status", "--ready", "--server", server.url, options=("--read-only", "--user", "hotmic"))
        assert health.stdout == "ok\ndefault: READY\n"
        assert server.stop() == 0


# --- the mirror


def test_an_index_that_is_older_than_the_lock_is_refused_unless_asked_for(tmp_path):
    """As of a mirror that was stopped, or an attacker who keeps mended holes from us. The mirror's own index is old where the lock is from the future."""
    dev = tmp_path / "dev"
    dev.mkdir()
    for name in ("make-root", "versions", "pretend-chown"):
        shutil.copy(SOURCE / "dev" / name, dev)
    (dev / "packages.lock").write_text("# index of 2999-01-01T00:00:00Z\n")
    refused = shell(dev / "make-root", tmp_path / "root", "ca-certificates")
    if refused.returncode == 0:
        pytest.skip("THE MIRROR IS UP TO DATE: its index has not expired, so there is nothing to refuse")
    assert "expired" in refused.stderr and "HOTMIC_STALE_INDEX=1" in refused.stderr
    taken = shell(dev / "make-root", tmp_path / "root", "ca-certificates", env=os.environ | {"HOTMIC_STALE_INDEX": "1"})
    assert taken.returncode == 0, taken.stderr
    assert (tmp_path / "root/etc/debian_version").exists()
