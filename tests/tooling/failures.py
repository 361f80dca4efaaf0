"""Checks that every test that docs/failures.md names exists, so that no row promises what nothing proves.

usage: failures.py [CHECKOUT]    prints each name that is no test, exits 1 if there is one
"""

import re
import sys
from pathlib import Path

NAME = re.compile(r"`([A-Z]\w*\.[A-Z]\w+|test_\w+)`")
GTEST = re.compile(r"TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)")
PYTEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def missing(checkout: Path) -> list[str]:
    tests = checkout / "tests"
    known = {f"{suite}.{name}" for file in tests.rglob("*.cpp") for suite, name in GTEST.findall(file.read_text())}
    known |= {name for file in tests.rglob("test_*.py") for name in PYTEST.findall(file.read_text())}
    named = NAME.findall((checkout / "docs" / "failures.md").read_text())
    assert len(named) > 20, "docs/failures.md names hardly any tests: has its form changed?"
    return sorted({name for name in named if name not in known})


if __name__ == "__main__":
    gone = missing(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(f"docs/failures.md names {name}, which is no test" for name in gone) or "every test named there exists")
    sys.exit(1 if gone else 0)
