"""What the linter (.clang-tidy) finds: it is set so that these mistakes are errors."""

import re
import subprocess
from pathlib import Path

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

def findings(tmp_path: Path, bodies: list[str]) -> dict[str, str]:
    """What the linter, set as dev/tidy sets it, says of functions with these bodies, each on a line of its own."""
    functions = [f"    int f{number}() {{ {body} }}" for number, body in enumerate(bodies)]
    file = tmp_path / "queue.cpp"
    file.write_text(QUEUE.replace("BODIES", "\n".join(functions)))
    options = ["-quiet", f"--config-file={CHECKOUT / '.clang-tidy'}", "-warnings-as-errors=*"]
    compiler = ["-std=c++23", f"-I{CHECKOUT / 'src'}", f"-I{CHECKOUT / 'include'}"]
    done = subprocess.run(["clang-tidy", *options, file, "--", *compiler], capture_output=True, text=True, check=False)
    lines = file.read_text().splitlines()
    said = {}
    for number, what in re.findall(r"queue\.cpp:(\d+):\d+: error: (.*)", done.stdout):
        body = next((body for body, function in zip(bodies, functions) if function == lines[int(number) - 1]), number)
        said[body] = f"{said.get(body, '')}{what}\n"
    assert (done.returncode != 0) == bool(said), done.stdout + done.stderr
    return said


def test_what_is_wrong_is_an_error(tmp_path):
    said = findings(tmp_path, ALLOWED + list(REFUSED))
    assert said.keys() == REFUSED.keys()
    for body, why in REFUSED.items():
        assert why in said[body]


def test_what_is_right_is_none(tmp_path):
    assert findings(tmp_path, ALLOWED) == {}
