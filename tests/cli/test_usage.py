"""What the command line says about itself, and to those who mistype."""

import pytest

COMMANDS = ["serve", "transcribe", "warmup", "inspect", "providers", "config", "doctor", "models", "load", "unload", "swap", "version"]


def test_help_names_every_command_and_the_exit_codes(hotmic):
    shown = hotmic("--help")
    assert shown.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in shown.out
    assert "7 the configuration" in shown.out
    assert "worker" not in shown.out.replace("a worker", "")  # the worker's entry is not for people


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_helps_with_examples_and_exit_codes(hotmic, command):
    shown = hotmic(command, "--help")
    assert shown.code == 0
    assert "Examples:\n  " in shown.out
    assert f"hotmic {command}" in shown.out.split("Examples:")[1]
    assert "Exit codes: 0 done" in shown.out


def test_no_command_is_wrong_usage(hotmic):
    done = hotmic()
    assert done.code == 2
    assert "subcommand is required" in done.err


def test_a_mistyped_command_is_met_with_the_nearest(hotmic):
    done = hotmic("transcrib", "x.wav")
    assert done.code == 2
    assert "there is no command transcrib; did you mean transcribe?" in done.err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["transcribe"], "files is required"),
        (["transcribe", "--format", "docx", "x.wav"], "docx"),
        (["serve", "--prot", "1"], "--prot"),
        (["serve", "--set", "server.port"], "KEY=VALUE"),
        (["inspect"], "model is required"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(hotmic, arguments, says):
    done = hotmic(*arguments)
    assert done.code == 2
    assert says in done.err
    assert done.out == ""


def test_version(hotmic):
    told = hotmic("version", "--json").json()
    assert told["version"] in hotmic("--version").out
    assert told["version"] in hotmic("version").out
    assert told["compiler"] and told["libraries"]["libav"]
    assert told["providers"]["pocketsphinx"]


def test_providers_tell_what_they_can_do(hotmic):
    told = {each["name"]: each for each in hotmic("providers", "--json").json()}
    sphinx = told["pocketsphinx"]
    assert sphinx["availability"]["available"] or sphinx["availability"]["remedy"]
    assert sphinx["capabilities"]["streaming"] and sphinx["capabilities"]["languages"] == ["en"]
    for name in told:
        assert name in hotmic("providers").out
