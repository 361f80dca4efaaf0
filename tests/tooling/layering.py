"""Checks that arrows between the modules of src/ point one way: in what files include and in what libraries link.

usage: layering.py [CHECKOUT]    prints each arrow that should not be, exits 1 if there is one
"""

import re
import sys
from pathlib import Path

PUBLIC = "include/hotmic"

# Module: the modules it may use besides itself and the public headers. What is not listed is not allowed.
MAY_USE = {
    PUBLIC: set(),
    "system": set(),
    "text": set(),
    "telemetry": {"system", "text"},
    "asr": {"system", "telemetry", "text"},
    "tracing": {"asr"},
    "audio": {"asr", "system", "telemetry", "text"},
    "asr/providers": {"asr", "audio", "system", "telemetry", "text"},
    "lifecycle": {"asr", "audio", "system", "telemetry", "text"},
    "speech": {"asr", "audio", "telemetry", "text"},
    "live": {"lifecycle", "speech", "asr", "system", "text"},
    "worker": {"asr", "audio", "system", "telemetry", "text"},
    "store": {"asr", "system", "text"},
    "jobs": {"store", "asr", "audio", "system", "telemetry", "text"},
    "config": {"store", "lifecycle", "asr", "audio", "telemetry", "text"},
    "server": {"config", "jobs", "store", "live", "speech", "lifecycle", "asr", "audio", "system", "telemetry", "text", "tracing"},
    "cli": {"server", "config", "jobs", "store", "live", "speech", "worker", "lifecycle", "asr", "asr/providers", "audio", "system", "telemetry", "text", "tracing"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
LINKS = re.compile(r"(hotmic_library|target_link_libraries)\s*\(\s*(\w+)([^)]*)\)")


def module_of(path: str) -> str | None:
    """The module of a path relative to src/; None for a path that is not ours."""
    if path.startswith("hotmic/"):
        return PUBLIC
    if path.startswith("asr/providers/"):
        return "asr/providers"
    first = path.split("/")[0]
    return first if first in MAY_USE else None


def bare(cmake: str) -> str:
    """The text of a CMake file without its comments."""
    return re.sub(r"#.*", "", cmake)


def violations(checkout: Path) -> list[str]:
    found = []
    src = checkout / "src"

    def check(where: Path, line: int, user: str, used: str | None, how: str) -> None:
        if used is not None and used not in (user, PUBLIC) and used not in MAY_USE[user]:
            allowed = ", ".join(sorted(MAY_USE[user])) or "nothing of src/"
            found.append(f"{where.relative_to(checkout)}:{line}: {user} may not use {used} ({how}); it may use {allowed}")

    for folder in (path for path in src.iterdir() if path.is_dir() and path.name not in MAY_USE):
        found.append(f"src/{folder.name}: no rule for this module; add one to MAY_USE in tests/tooling/layering.py")

    for file in sorted([*src.rglob("*.[ch]pp"), *(checkout / PUBLIC).rglob("*.hpp")]):
        inside_src = file.is_relative_to(src)
        user = module_of(file.relative_to(src).as_posix()) if inside_src else PUBLIC
        if user is None:
            continue
        text = file.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            used = module_of(match[1])
            check(file, text.count("\n", 0, match.start(1)) + 1, user, used, f"includes {match[1]}")

    # Libraries are named after folders; those of single providers are found by the folder that declares them.
    files = {file: bare(file.read_text(encoding="utf-8")) for file in sorted(src.rglob("CMakeLists.txt"))}
    library_module = {}
    for file, text in files.items():
        for match in LINKS.finditer(text):
            if match[1] == "hotmic_library":
                library_module[f"hotmic_{match[2]}"] = module_of(f"{file.parent.relative_to(src).as_posix()}/")
    for file, text in files.items():
        for match in LINKS.finditer(text):
            target = match[2] if match[1] == "target_link_libraries" else f"hotmic_{match[2]}"
            user = library_module.get(target)
            if user is None:
                continue  # a program or an outside target
            line = text.count("\n", 0, match.start()) + 1
            for library in re.findall(r"\bhotmic_\w+", match[3]):
                check(file, line, user, library_module.get(library), f"links {library}")
    return found


def main() -> int:
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    found = violations(checkout)
    print("\n".join(found) or "layering: every include and every link points the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
