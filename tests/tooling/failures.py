"""Checks that every test that docs/failures.md names exists, so that no row promises what nothing proves, and that every error code
of src/asr/error.cpp has a row.

usage: failures.py [CHECKOUT]    prints each name that is no test and each code without a row, exits 1 if there is one
"""

import re
import sys
from pathlib import Path

NAME = re.compile(r"`([A-Z]\w*\.[A-Z]\w+|test_\w+)`")
GTEST = re.compile(r"TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)")
PYTEST = re.compile(r"^ *def (test_\w+)", re.MULTILINE)
CODE = re.compile(r'ErrorSpec\{\w+, "(\w+)"')


def missing(checkout: Path) -> list[str]:
    tests = checkout / "tests"
    known = {f"{suite}.{name}" for file in tests.rglob("*.cpp") for suite, name in GTEST.findall(file.read_text())}
    known |= {name for file in tests.rglob("test_*.py") for name in PYTEST.findall(file.read_text())}
    named = NAME.findall((checkout / "docs" / "failures.md").read_text())
    assert len(named) > 20, "docs/failures.md names hardly any tests: has its form changed?"
    return sorted({name for name in named if name not in known})


def without_a_row(checkout: Path) -> list[str]:
    codes = CODE.findall((checkout / "src" / "asr" / "error.cpp").read_text())
    assert len(codes) > 50, "src/asr/error.cpp has hardly any codes: has its form changed?"
    rows = [line for line in (checkout / "docs" / "failures.md").read_text().splitlines() if line.startswith("|")]
    return [code for code in codes if not any(f"`{code}`" in row for row in rows)]


if __name__ == "__main__":
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    wrong = [f"docs/failures.md names {name}, which is no test" for name in missing(checkout)]
    wrong += [f"docs/failures.md has no row for {code}" for code in without_a_row(checkout)]
    print("\n".join(wrong) or "every test named there exists, and every code has a row")
    sys.exit(1 if wrong else 0)
