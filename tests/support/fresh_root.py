"""Root file systems to install into: a fresh Debian of the build environment's release, kept for some days and copied for each test."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hotmic_py import SOURCE

CACHE = Path(os.environ.get("HOTMIC_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotmic")
DEBS = CACHE / "debs"
DAYS = 7
# What apt and curl say where no mirror can be reached.
OFFLINE = re.compile(r"Temporary failure resolving|Could not resolve|Could not connect|Connection failed|Network is unreachable|Connection timed out")


def make_root(folder, *packages, env=None):
    """Runs dev/make-root; skips the test, and says so, where there is no network."""
    done = subprocess.run([SOURCE / "dev/make-root", folder, *packages], capture_output=True, text=True, check=False, env=os.environ | (env or {}))
    if done.returncode != 0 and OFFLINE.search(done.stderr):
        pytest.skip("NO NETWORK: a fresh Debian could not be fetched, so nothing is installed")
    return done


def pristine():
    folder = CACHE / "fresh"
    if folder.exists() and time.time() - folder.stat().st_mtime > DAYS * 86400:
        shutil.rmtree(folder)
    done = make_root(folder, "ca-certificates")
    assert done.returncode == 0, done.stderr
    return folder


class Root:
    """One of them: a copy of the fresh one, or any other folder."""

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def fresh(cls, folder):
        subprocess.run(["cp", "-a", "--reflink=auto", pristine(), folder], check=True)
        return cls(folder)

    def under(self, *options):
        """A command that runs another one in it; for options see dev/in-root."""
        return [str(SOURCE / "dev/in-root"), *options, str(self.folder)]

    def run(self, *command, options=(), code=0):
        done = subprocess.run([*self.under(*options), *map(str, command)], capture_output=True, text=True, check=False)
        assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def apt(self, *arguments):
        """apt-get as somebody runs it who answers no questions. What is downloaded is kept for the next time."""
        (DEBS / "partial").mkdir(parents=True, exist_ok=True)
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
                        "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Keep-Downloaded-Packages=true", "-o", "Dpkg::Options::=--force-unsafe-io",
                        *arguments, options=("--bind", f"{DEBS}:/var/cache/apt/archives"))

    def path(self, inside):
        return Path(f"{self.folder}{inside}")
