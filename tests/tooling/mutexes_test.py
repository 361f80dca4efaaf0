"""The check of mutexes itself: it finds what it should, and only that."""

import pytest
from mutexes import violations


@pytest.mark.parametrize(
    "line",
    [
        "    std::mutex mutex_;",
        "    mutable std::shared_mutex mutex_;",
        "    std::condition_variable changed_;",
        "    std::condition_variable_any changed_;",
        "    const std::scoped_lock lock(mutex_);",
        "    std::unique_lock<std::recursive_mutex> lock(mutex_);",
    ],
)
def test_the_standard_ones_are_refused(tmp_path, line):
    file = tmp_path / "src/jobs/runner.hpp"
    file.parent.mkdir(parents=True)
    file.write_text(f"#include <mutex>\n{line}\n")
    found = violations(tmp_path)
    assert len(found) == 1
    assert found[0].startswith("src/jobs/runner.hpp:2: std::")


def test_elsewhere_and_in_comments_they_may_be_named(tmp_path):
    for name, text in {
        "src/system/mutex.hpp": "std::mutex mutex_;\n",
        "src/telemetry/journal.cpp": "class Sink final : public spdlog::sinks::base_sink<std::mutex> {};\n",
        "src/store/curl.cpp": "// as std::mutex does\nstd::call_once(once, begin);\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert violations(tmp_path) == []
