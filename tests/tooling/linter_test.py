"""What the linter (.clang-tidy) finds: it is set so that these mistakes are errors."""

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

# Functions with these bodies are members of this class.
QUEUE = """
#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace hotmic {

class Queue {
public:
BODIES
private:
    int next() HOTMIC_REQUIRES(mutex_) { return ++taken_; }
    Result<int> fallible();

    Mutex mutex_;
    Condition filled_;
    StoppableCondition stirred_;
    int taken_ HOTMIC_GUARDED_BY(mutex_) = 0;
};

}  // namespace hotmic
"""

ALLOWED = [
    "const Lock lock(mutex_); return taken_;",
    "const Lock lock(mutex_); return next();",
    "Lock lock(mutex_); lock.unlock(); lock.lock(); return taken_;",
    "Lock lock(mutex_); while (taken_ == 0) filled_.wait(lock); return taken_;",
    "Lock lock(mutex_); filled_.wait(lock, [this] HOTMIC_REQUIRES(mutex_) { return taken_ > 0; }); return taken_;",
    "Lock lock(mutex_); stirred_.wait(lock, {}, [this] HOTMIC_REQUIRES(mutex_) { return taken_ > 0; }); return taken_;",
    "const Lock lock(mutex_); { const Unlock meanwhile(mutex_); } return taken_;",
    "(void)fallible(); return 0;",
]
UNGUARDED = "variable 'taken_' requires holding mutex 'mutex_'"
REFUSED = {
    "return taken_;": UNGUARDED,
    "return next();": "calling function 'next' requires holding mutex 'mutex_'",
    "Lock lock(mutex_); lock.unlock(); return taken_;": UNGUARDED,
    "Lock lock(mutex_); filled_.wait(lock, [this] { return taken_ > 0; }); return 0;": UNGUARDED,
    "const Lock lock(mutex_); const Unlock meanwhile(mutex_); return taken_;": UNGUARDED,
    "const Lock lock(mutex_); const Lock again(mutex_); return taken_;": "acquiring mutex 'mutex_' that is already held",
    "fallible(); return 0;": "should not be disregarded",
}

# Files that include what they use.
INCLUDED = [
    '#include <string>\n#include "hotmic/error.hpp"\nhotmic::Result<std::string> name();',
    '#include "hotmic/error.hpp"\ninline hotmic::Result<int> failed() { return std::unexpected(hotmic::Error{}); }',
    '#include "hotmic/hotmic.hpp"\nhotmic::Result<int> all_of_the_library(const hotmic::Lease& lease);',
    "#include <sys/stat.h>\nmode_t declared_in_a_header_behind_it(const struct stat& file);",
    "#include <fcntl.h>\n#include <unistd.h>\n",
]
NOT_INCLUDED = {
    '#include "hotmic/error.hpp"\nhotmic::Result<std::string> name();': 'no header providing "std::string" is directly included',
    '#include "hotmic/lease.hpp"\nhotmic::Result<int> left(const hotmic::Lease& lease);': 'no header providing "hotmic::Result" is directly included',
    "#include <string>\n#include <vector>\nstd::string name();": "included header vector is not used directly",
    '#include "hotmic/error.hpp"\nint name();': "included header error.hpp is not used directly",
}


def found_in(*files: Path) -> list[tuple[str, int, str]]:
    """What the linter, set as dev/tidy sets it, says of these files: of which, of which line, and what."""
    headers = files[0].suffix == ".hpp"
    options = ["-quiet", f"--config-file={CHECKOUT / '.clang-tidy'}", "-warnings-as-errors=*", *(["-checks=-*,misc-include-cleaner"] if headers else [])]
    compiler = ["-xc++-header" if headers else "-xc++", "-std=c++23", f"-I{CHECKOUT / 'src'}", f"-I{CHECKOUT / 'include'}"]
    done = subprocess.run(["clang-tidy", *options, *files, "--", *compiler], capture_output=True, text=True, check=False)
    said = [(name, int(line), what) for name, line, what in re.findall(r"([^/\n]+):(\d+):\d+: error: (.*)", done.stdout)]
    assert (done.returncode != 0) == bool(said), done.stdout + done.stderr
    return said


def findings(tmp_path: Path, bodies: list[str]) -> dict[str, str]:
    """What is found in functions with these bodies, each on a line of its own."""
    functions = [f"    int f{number}() {{ {body} }}" for number, body in enumerate(bodies)]
    file = tmp_path / "queue.cpp"
    file.write_text(QUEUE.replace("BODIES", "\n".join(functions)))
    lines = file.read_text().splitlines()
    said = {}
    for _, number, what in found_in(file):
        body = next((body for body, function in zip(bodies, functions) if function == lines[number - 1]), str(number))
        said[body] = f"{said.get(body, '')}{what}\n"
    return said


def test_what_is_wrong_is_an_error(tmp_path):
    said = findings(tmp_path, ALLOWED + list(REFUSED))
    assert said.keys() == REFUSED.keys()
    for body, why in REFUSED.items():
        assert why in said[body]


def test_what_is_right_is_none(tmp_path):
    assert findings(tmp_path, ALLOWED) == {}


@pytest.mark.parametrize("suffix", ["cpp", "hpp"])
def test_files_include_what_they_use_and_no_more(tmp_path, suffix):
    files = {f"{number}.{suffix}": text for number, text in enumerate(INCLUDED + list(NOT_INCLUDED))}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = {files[name]: what for name, _, what in found_in(*[tmp_path / name for name in files])}
    assert found.keys() == NOT_INCLUDED.keys()
    for text, why in NOT_INCLUDED.items():
        assert found[text].startswith(why)
