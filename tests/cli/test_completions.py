"""What shells complete, in the shells themselves; those that are not installed here are tried where the packages are (tests/packages)."""

import shutil
import subprocess

import pytest


def complete(script, words):
    """What bash offers for the last of these words."""
    asked = f"""{script}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
_hotmic
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-euc", asked], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("words, offered", [
    (["hotmic", "tr"], ["transcribe"]),
    (["hotmic", "transcribe", "--lang"], ["--language", "--languages"]),
    (["hotmic", "transcribe", "--format", "v"], ["vtt", "verbose_json"]),
    (["hotmic", "transcribe", "-f", "s"], ["srt"]),
    (["hotmic", "serve", "--log-f"], ["--log-format"]),
    (["hotmic", "swap", "large", "--strategy", ""], ["auto", "beside", "replace"]),
    (["hotmic", "serve", "--format", ""], []),  # it has no such flag: files, as ever
    (["hotmic", "transcribe", "talk"], []),
    (["hotmic", "no-such-command", "--"], []),
])
def test_bash_completes(hotmic, words, offered):
    script = hotmic("completions", "bash").out
    assert complete(script, words) == offered


def test_every_command_of_the_help_is_completed(hotmic):
    offered = complete(hotmic("completions", "bash").out, ["hotmic", ""])
    shown = [line.split()[0] for line in hotmic("--help").out.partition("SUBCOMMANDS:")[2].splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(shown) > 10 and set(offered) == {*shown, "--help", "--version"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_valid(hotmic, shell):
    if not shutil.which(shell):
        pytest.skip(f"NO {shell}: it is tried where the packages are")
    subprocess.run([shell, "-n"], input=hotmic("completions", shell).out, text=True, check=True, capture_output=True)


def test_other_shells_are_refused_by_name(hotmic):
    outcome = hotmic("completions", "tcsh")
    assert outcome.code == 2 and "tcsh" in outcome.err and "bash" in outcome.err
