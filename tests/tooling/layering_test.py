"""The layering check itself: it finds what it should, and only that."""

from pathlib import Path

from layering import MAY_USE, violations


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_allowed_arrows_pass(tmp_path):
    files = {
        "src/server/routes.cpp": '#include "server/routes.hpp"\n#include <vector>\n#include "lifecycle/slot_pool.hpp"\n',
        "src/server/CMakeLists.txt": "hotmic_library(server DEPS hotmic_lifecycle OpenSSL::Crypto)\n",
        "src/lifecycle/CMakeLists.txt": "hotmic_library(lifecycle DEPS hotmic_asr)  # not hotmic_server\n",
        "src/asr/error.cpp": '#include "hotmic/error.hpp"\n',
        "src/cli/main.cpp": '#include "asr/providers/whisper_cpp/provider.hpp"\n',
    }
    assert violations(tree(tmp_path, files)) == []


def test_an_include_upwards_is_found_with_its_line(tmp_path):
    found = violations(tree(tmp_path, {"src/asr/long_audio.cpp": '#include <span>\n#include "server/form.hpp"\n'}))
    assert len(found) == 1
    assert found[0].startswith("src/asr/long_audio.cpp:2: asr may not use server")


def test_the_server_may_not_know_the_worker_or_an_engine(tmp_path):
    files = {
        "src/server/a.cpp": '#include "worker/channel.hpp"\n',
        "src/server/b.cpp": '#  include "asr/providers/pocketsphinx/provider.hpp"\n',
    }
    assert [line.split(" (")[0] for line in violations(tree(tmp_path, files))] == [
        "src/server/a.cpp:1: server may not use worker",
        "src/server/b.cpp:1: server may not use asr/providers",
    ]


def test_public_headers_stand_alone(tmp_path):
    found = violations(tree(tmp_path, {"include/hotmic/x.hpp": '#include "asr/formats.hpp"\n', "src/asr/y.cpp": ""}))
    assert found == [
        "include/hotmic/x.hpp:1: include/hotmic may not use asr (includes asr/formats.hpp); it may use nothing of src/"
    ]


def test_a_link_upwards_is_found(tmp_path):
    files = {
        "src/asr/CMakeLists.txt": "hotmic_library(asr DEPS\n  hotmic_lifecycle)\n",
        "src/lifecycle/CMakeLists.txt": "hotmic_library(lifecycle)\ntarget_link_libraries(hotmic_lifecycle PRIVATE hotmic_cli)\n",
        "src/cli/CMakeLists.txt": "hotmic_library(cli)\n",
    }
    assert [line.split(" (")[0] for line in violations(tree(tmp_path, files))] == [
        "src/asr/CMakeLists.txt:1: asr may not use lifecycle",
        "src/lifecycle/CMakeLists.txt:2: lifecycle may not use cli",
    ]


def test_a_single_provider_is_part_of_the_providers(tmp_path):
    files = {
        "src/asr/CMakeLists.txt": "hotmic_library(asr DEPS hotmic_pocketsphinx)\n",
        "src/asr/providers/pocketsphinx/CMakeLists.txt": "hotmic_library(pocketsphinx DEPS hotmic_asr)\n",
    }
    found = violations(tree(tmp_path, files))
    assert len(found) == 1 and "asr may not use asr/providers (links hotmic_pocketsphinx)" in found[0]


def test_a_new_module_needs_a_rule(tmp_path):
    assert violations(tree(tmp_path, {"src/billing/a.cpp": ""})) == [
        "src/billing: no rule for this module; add one to MAY_USE in tests/tooling/layering.py"
    ]


def test_the_rules_have_no_cycle():
    def reach(module, seen):
        for used in MAY_USE[module]:
            assert used not in seen, f"{used} is reached from itself through {seen}"
            reach(used, seen | {used})

    for module in MAY_USE:
        reach(module, {module})
