"""A backend that lies, with the real driver: Whisper over Vulkan on a software driver (llvmpipe), which answers rightly at first and then
"up up up". Whatever it does here: a model that is READY hears right, on it or on the CPU instead.

Backend and driver are Debian's. Where they are not installed they are fetched (25 MB) into the cache of dev/in, and only this test sees them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import hotmic_py
from hotmic_py import NUMBERS, NUMBERS_MODEL, NUMBERS_TEXT, SANITIZED, Server

CACHE = Path(os.environ.get("HOTMIC_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotmic")
KEPT = CACHE / "vulkan"  # where dev/in keeps what it has fetched, too
CLIP = NUMBERS_MODEL.with_name("clip.wav")
PACKAGES = ["mesa-vulkan-drivers", "libvulkan1", "libdisplay-info3"]


def found(root):
    """The backend and the driver's manifest within a root of a system, if both are there."""
    backends = sorted(root.glob("usr/lib/*/ggml/backends0/libggml-vulkan.so"))
    manifests = sorted(root.glob("usr/share/vulkan/icd.d/lvp_icd*.json"))
    return (backends[0], manifests[0]) if backends and manifests else None


def engine_version():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libggml0"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else pytest.skip("NO DEBIAN PACKAGE OF GGML: install its Vulkan backend and Mesa's llvmpipe")


def fetch(version):
    """The backend fits only the engine of the same version."""
    folder = KEPT / version.replace("/", "_")
    if found(folder):
        return folder
    apt = KEPT / "apt"
    partial = folder.with_suffix(f".partial.{os.getpid()}")
    for each in (apt / "lists/partial", apt / "cache/archives/partial", partial):
        each.mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache", "Debug::NoLocking=1", "APT::Sandbox::User=root",
               "Acquire::Check-Valid-Until=false", "Acquire::Retries=2"]
    apt_get = ["apt-get", "-qq", *(word for each in options for word in ("-o", each))]
    subprocess.run([*apt_get, "update"], capture_output=True, check=False)
    wanted = [f"libggml0-backend-vulkan={version}", *PACKAGES]
    done = subprocess.run([*apt_get, "download", *wanted], cwd=partial, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(partial)
        pytest.skip(f"NO VULKAN BACKEND: apt-get download {' '.join(wanted)} says: {done.stderr.strip() or done.stdout.strip()}")
    for package in partial.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, partial], check=True)
        package.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


@pytest.fixture(scope="module")
def vulkan():
    """Variables with which a server sees llvmpipe as its first GPU."""
    if SANITIZED:
        pytest.skip("NOT TESTED under sanitizers: the driver makes machine code as it goes")
    if not shutil.which("apt-get") and not found(Path("/")):
        pytest.skip("NO APT: install ggml's Vulkan backend and Mesa's llvmpipe")
    root = Path("/") if found(Path("/")) else fetch(engine_version())
    backend, manifest = found(root)
    # With one thread of the driver: several wait for each other by turning, and take minutes on a busy machine.
    variables = {"GGML_BACKEND_PATH": backend, "VK_DRIVER_FILES": manifest, "GGML_VK_VISIBLE_DEVICES": "0", "LP_NUM_THREADS": "1",
                 "MESA_SHADER_CACHE_DIR": KEPT / "shaders"}  # making them takes a minute, once
    return variables if root == Path("/") else variables | {"LD_LIBRARY_PATH": backend.parents[2]}


def test_what_is_ready_hears_right_though_its_device_may_lie(vulkan, tmp_path, monkeypatch):
    monkeypatch.setattr(hotmic_py, "PATIENCE", 800)  # the driver makes its machine code at the first inference
    with Server(*NUMBERS, "--level", "1", "--set", "models.default.warmup.timeout_ms=800000", home=tmp_path, env=vulkan) as server:
        server.wait_for("→ READY")
        health = server.request("/health").json()
        status = server.request("/model-status").json()["health"]
        warning = health.get("warning") or ""
        if status["backend"].startswith("CPU"):
            assert "llvmpipe" in warning and ("does not repeat itself" in warning or "does not hear" in warning), health
        assert [server.transcribe(CLIP).json()["text"] for _ in range(5)] == [NUMBERS_TEXT] * 5, status
        print(f"{status['backend']}; {warning}")
