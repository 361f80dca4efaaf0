"""docs/contributing.md holds: a provider and a format of answers are added by the files that it lists and no other, to a copy of the
checkout, and then do what all others do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hotmic_py import CLIP, SOURCE, Server

HERE = Path(__file__).parent
PHRASE = "POLLY WANTS A CRACKER"  # as the built-in clip's checks want words to be


def listed(section):
    """The paths in the first column of the section's table. A name without a folder is in the folder of the name before it."""
    page = (SOURCE / "docs/contributing.md").read_text()
    rows = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL).group(1)
    paths = []
    for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE):
        for path in re.findall(r"`([^`]+)`", row):
            paths.append(path if "/" in path else f"{os.path.dirname(paths[-1])}/{path}")
    return paths


class Copy:
    """A copy of the checkout, to which only what a section lists can be done."""

    def __init__(self, root):
        self.root = root
        files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=SOURCE, capture_output=True, text=True,
                               check=False)
        if files.returncode != 0:
            pytest.skip("NO GIT CHECKOUT: there is no telling what belongs to the source")
        for name in files.stdout.splitlines():
            if (SOURCE / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(SOURCE / name, root / name)

    def section(self, title, name):
        self.listed = [path.replace("NAME", name) for path in listed(title)]
        self.used = set()

    def path(self, name):
        entry = next((each for each in self.listed if name == each or (each.endswith("/") and name.startswith(each))), None)
        assert entry, f"docs/contributing.md does not list {name}: {self.listed}"
        self.used.add(entry)
        return self.root / name

    def add(self, name, source):
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        shutil.copy2(HERE / source, path)

    def insert(self, name, before, line):
        path = self.path(name)
        text = path.read_text()
        assert text.count(before) == 1, f"{name} has {before!r} {text.count(before)} times"
        path.write_text(text.replace(before, line + before))

    def run(self, *command):
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout


def add_the_parrot(copy):
    copy.section("A provider (an engine)", "parrot")
    for file in ("provider.hpp", "provider.cpp", "CMakeLists.txt"):
        copy.add(f"src/asr/providers/parrot/{file}", f"parrot/{file}")
    folder = "src/asr/providers"
    copy.insert(f"{folder}/CMakeLists.txt", "add_subdirectory(pocketsphinx)", "add_subdirectory(parrot)\n")
    copy.insert(f"{folder}/CMakeLists.txt", " hotmic_pocketsphinx)", " hotmic_parrot")
    copy.insert(f"{folder}/builtin.cpp", '#include "asr/providers/pocketsphinx', '#include "asr/providers/parrot/provider.hpp"\n')
    copy.insert(f"{folder}/builtin.cpp", "pocketsphinx::make_provider()", "parrot::make_provider(), ")
    under_test = "tests/conformance/providers_under_test.cpp"
    copy.insert(under_test, '#include "asr/providers/pocketsphinx', '#include "asr/providers/parrot/provider.hpp"\n')
    copy.insert(under_test, '        {.name = "pocketsphinx"', f"""        {{.name = "parrot",
         .make = [] {{ return parrot::make_provider(); }},
         .spec = [] {{ return ModelSpec{{.provider = "parrot", .path = HOTMIC_SOURCE_DIR "/polly.txt", .slots = 2}}; }},
         .expected = "{PHRASE}",
         .wrong_file = not_a_model}},
""")
    (copy.root / "polly.txt").write_text(f"parrot: {PHRASE}\n")


def add_shouted(copy):
    copy.section("A format of answers", "shouted")
    copy.add("src/asr/formats/shouted.cpp", "shouted.cpp")
    copy.insert("src/asr/formats.hpp", "verbose_json };", "shouted, ")
    copy.insert("src/asr/formats/renderers.hpp", "Renderer verbose_json;", "Renderer shouted;\n")
    copy.insert("src/asr/formats.cpp", '    Row{ResponseFormat::verbose_json', '    Row{ResponseFormat::shouted, "shouted", kPlain, ".txt", false, formats::shouted},\n')


def test_a_provider_and_a_format_are_added_by_the_page_alone(tmp_path):
    copy = Copy(tmp_path / "checkout")
    add_the_parrot(copy)
    assert {"src/asr/providers/parrot/", "src/asr/providers/builtin.cpp", "tests/conformance/providers_under_test.cpp"} <= copy.used
    add_shouted(copy)
    assert {"src/asr/formats.hpp", "src/asr/formats.cpp", "src/asr/formats/shouted.cpp", "src/asr/formats/renderers.hpp"} == copy.used

    # As the build under test is configured, so that ccache gives what has not changed.
    copy.run("cmake", "--preset", "release", "-DHOTMIC_BUILD_BENCH=OFF")
    copy.run("cmake", "--build", "build/release", "--target", "hotmic", "hotmic_conformance_tests", "hotmic_test_worker")
    programs = copy.root / "build/release/bin"
    tried = copy.run(programs / "hotmic_conformance_tests", "--gtest_filter=*/parrot*")
    assert re.search(r"\[  PASSED  \] (2\d|[3-9]\d) tests", tried), tried[-2000:]  # in this process, and in a worker

    polly = copy.root / "polly.txt"
    assert "parrot" in copy.run(programs / "hotmic", "providers")
    shouted = "".join(word + "\n" for word in PHRASE.split())
    assert copy.run(programs / "hotmic", "transcribe", "--provider", "parrot", "--model", polly, "--format", "shouted", CLIP) == shouted
    with Server("--provider", "parrot", "--model", polly, "--set", "models.default.warmup.validate=runs", home=tmp_path,
                under=[], name=programs / "hotmic") as server:
        server.wait_ready()
        answer = server.transcribe(CLIP, response_format="shouted")
        assert answer.status == 200 and answer.text == shouted
