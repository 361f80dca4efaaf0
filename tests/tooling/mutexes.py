"""Checks that src/ takes its mutexes from system/mutex.hpp, of which clang's analysis knows what they guard.

usage: mutexes.py [CHECKOUT]    prints each place that uses the standard library's, exits 1 if there is one
"""

import re
import sys
from pathlib import Path

HOME = "src/system/mutex.hpp"
STANDARD = re.compile(
    r"std::(?:(?:recursive_|shared_|timed_|recursive_timed_|shared_timed_)?mutex|condition_variable(?:_any)?"
    r"|scoped_lock|lock_guard|unique_lock|shared_lock)\b"
)
# Whose mutex is a parameter of a library's own type.
THEIRS = "spdlog::sinks::base_sink<std::mutex>"


def violations(checkout: Path) -> list[str]:
    found = []
    for file in sorted([*(checkout / "src").rglob("*.[ch]pp"), *(checkout / "include").rglob("*.hpp")]):
        name = file.relative_to(checkout).as_posix()
        if name == HOME:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            code = line.split("//")[0].replace(THEIRS, "")
            if match := STANDARD.search(code):
                found.append(f"{name}:{number}: {match[0]}; take Mutex, Lock or a Condition of system/mutex.hpp")
    return found


def main() -> int:
    found = violations(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve())
    print("\n".join(found) or "mutexes: each says what it guards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
