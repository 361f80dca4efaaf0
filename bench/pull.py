#!/usr/bin/env python3
"""How fast a model comes, against curl, from a web server on this machine.

usage: dev/in bench/pull.py [--megabytes N] [--times N]

By turns, a file of 150 MB that has just been written, so that no disk is waited for:

  curl           curl -o FILE URL
  curl, checked  the same, then sync and sha256sum of the file: what a careful script does
  hotmic pull    into the store: hashed in the same pass, synced, renamed

A table: the median of the whole command's time, from its start to its end, MB/s, and how hotmic's rate compares with that of the curl just before it (the
median of those, and the best); and the same of hotmic without what the command takes when the model is here already, which does not grow with the model.
Others who use the processor meanwhile slow hotmic more than curl: it does the hashing beside, on another core.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import common
from hotmic_py import environment


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=150)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--bin", help="folder of the programs (the newest build's)")
    options = parser.parse_args()
    hotmic = common.use_programs(options.bin)
    times = {"curl": [], "curl, checked": [], "hotmic pull": [], "here already": []}
    with tempfile.TemporaryDirectory(prefix="hotmic-bench-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        file, digest = common.model_to_pull(folder, options.megabytes)
        with common.web_server(Path(folder) / "web") as url:
            catalogue = common.catalogue_of(folder, url, file, digest)
            target = home / "curl.bin"
            curl = ["curl", "-sS", "-o", target, f"{url}/m/{file.name}"]
            commands = {
                "curl": curl,
                "curl, checked": ["sh", "-c", f'"$@" && sync {target} && echo "{digest}  {target}" | sha256sum --quiet -c', "sh", *curl],
                "hotmic pull": [hotmic, "pull", "--json", "bench-large", "--set", f"catalogue={catalogue}"],
                "here already": [hotmic, "pull", "--json", "bench-large", "--set", f"catalogue={catalogue}"]}
            for _ in range(options.times):
                for name, command in commands.items():
                    target.unlink(missing_ok=True)
                    if name != "here already":
                        shutil.rmtree(home / ".local", ignore_errors=True)
                    os.sync()
                    began = time.monotonic()
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home, env=environment(home, no_proxy="127.0.0.1"))
                    times[name].append(time.monotonic() - began)
    overhead = statistics.median(times.pop("here already"))
    times["hotmic pull, without its start"] = [each - overhead for each in times["hotmic pull"]]
    rows = []
    for name, each in times.items():
        middle = statistics.median(each)
        shares = [usual / mine for usual, mine in zip(times["curl"], each)]
        rows.append([name, f"{middle:.2f}", f"{options.megabytes / middle:.0f}", f"{statistics.median(shares):.0%}", f"{max(shares):.0%}"])
    print(f"{common.machine()}; {options.megabytes} MB, median of {options.times}\n")
    print(common.markdown(["command", "s", "MB/s", "of curl's rate", "at best"], rows))


if __name__ == "__main__":
    main()
