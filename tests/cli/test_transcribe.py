"""`hotmic transcribe`: files to text without a server."""

import json
import os
import pty
import re
import subprocess

import pytest
from hotmic_py import CLIP, PATIENCE, Server, environment, heard, program

OWN = ["--provider", "pocketsphinx"]


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def test_a_file_becomes_text_on_standard_output(hotmic):
    done = hotmic("transcribe", *OWN, CLIP)
    assert done.code == 0, done.err
    assert heard(done.out) > 0.6
    assert done.err == ""  # no log, no progress bar where nobody watches


def test_standard_input_is_a_file_too(hotmic):
    piped = hotmic("transcribe", *OWN, "-", stdin=CLIP.read_bytes())
    assert piped.code == 0, piped.err
    assert piped.out == hotmic("transcribe", *OWN, CLIP).out


@pytest.mark.parametrize(
    "form, shape",
    [
        ("srt", r"\A1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n"),
        ("vtt", r"\AWEBVTT\n\n00:0"),
        ("json", r'\A\{"text":'),
    ],
)
def test_formats(hotmic, form, shape):
    done = hotmic("transcribe", *OWN, "--format", form, CLIP)
    assert done.code == 0, done.err
    assert re.search(shape, done.out), done.out
    assert heard(done.out) > 0.6


def test_cues_fit_on_a_screen_or_as_is_asked(hotmic):
    def lines(*flags):
        done = hotmic("transcribe", *OWN, "--format", "srt", *flags, CLIP)
        assert done.code == 0, done.err
        return [line for line in done.out.splitlines() if re.search("[a-z]", line)]

    assert max(map(len, lines())) <= 42 < len(" ".join(lines()))
    assert max(map(len, lines("--max-line-width", "20", "--max-line-count", "1"))) <= 20
    assert max(map(len, lines("--max-line-width", "0"))) > 42
    assert hotmic("transcribe", "--max-line-count", "0", CLIP).code == 2


def test_channels_may_be_heard_separately(hotmic, home):
    stereo = home / "stereo.wav"
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(CLIP), "-af", "pan=stereo|c0=c0|c1=0*c0", str(stereo)], check=True)
    told = hotmic("transcribe", *OWN, "--format", "verbose_json", "--channels", "separate", stereo).json()
    assert {segment["channel"] for segment in told["segments"]} == {0} and heard(told["text"]) > 0.6
    piped = hotmic("transcribe", *OWN, "--format", "verbose_json", "--channels", "separate", "-", stdin=stereo.read_bytes()).json()
    assert piped["text"] == told["text"]
    assert hotmic("transcribe", "--channels", "left", CLIP).code == 2


def test_verbose_json_has_word_times_on_request(hotmic):
    told = hotmic("transcribe", *OWN, "--format", "verbose_json", "--words", CLIP).json()
    assert told["duration"] > 4
    assert [word["word"] for word in told["words"]] != []
    assert all(word["start"] <= word["end"] <= told["duration"] + 0.1 for word in told["words"])


def test_several_files_go_into_a_folder_and_failures_do_not_stop_the_others(hotmic, home):
    (home / "notes.txt").write_text("no audio")
    (home / "copy.flac").write_bytes(CLIP.read_bytes())
    done = hotmic("transcribe", *OWN, "-f", "srt", "-o", "out", CLIP, "missing.wav", "notes.txt", "copy.flac")
    assert done.code == 4  # the audio error outranks the missing file
    assert "missing.wav: there is no such file" in done.err
    assert "notes.txt" in done.err
    first, copy = home / "out/hotmic-clip.srt", home / "out/copy.srt"
    assert heard(first.read_text()) > 0.6 and heard(copy.read_text()) > 0.6
    assert sorted(p.name for p in (home / "out").iterdir()) == ["copy.srt", "hotmic-clip.srt"]


def test_one_file_is_written_where_output_says(hotmic, home):
    done = hotmic("transcribe", *OWN, "-f", "json", "-o", "result.json", CLIP)
    assert done.code == 0 and done.out == ""
    assert heard(json.loads((home / "result.json").read_text())["text"]) > 0.6


def test_text_of_several_files_is_told_apart(hotmic, home):
    (home / "copy.flac").write_bytes(CLIP.read_bytes())
    done = hotmic("transcribe", *OWN, CLIP, "copy.flac")
    assert done.out.count("==> ") == 2 and "==> copy.flac <==" in done.out


@pytest.mark.parametrize(
    "content, code, says",
    [
        (b"", 4, "0 bytes"),
        (b"Dear diary, today I wrote text.\n" * 50, 4, "it looks like text"),
        (None, 3, "no such file"),
    ],
)
def test_bad_input_is_named(hotmic, home, content, code, says):
    if content is not None:
        (home / "input.wav").write_bytes(content)
    done = hotmic("transcribe", *OWN, "input.wav")
    assert done.code == code
    assert done.err.startswith("hotmic: ") and "input.wav" in done.err and says in done.err and ";" in done.err


def test_results_that_would_mix_are_refused_before_any_work(hotmic, home):
    done = hotmic("transcribe", "-f", "srt", "a.wav", "b.wav")
    assert (done.code, "-o FOLDER" in done.err) == (3, True)
    done = hotmic("transcribe", "-o", "out/", "a/x.wav", "b/x.wav")
    assert (done.code, "two results" in done.err) == (3, True)


@pytest.mark.parametrize(
    "flags, code, says",
    [
        (["--provider", "telepathy"], 7, "no provider is named"),
        (["--model", "none.bin"], 5, "none.bin"),
        (["--provider", "pocketsphinx", "--translate"], 3, "translat"),
        (["--provider", "pocketsphinx", "--language", "klingon"], 3, "klingon"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(hotmic, flags, code, says):
    done = hotmic("transcribe", *flags, CLIP)
    assert done.code == code, done.err
    assert says in done.err


def on_a_terminal(home, *arguments, **env):
    """Runs with stderr on a pseudo terminal and returns what was drawn there."""
    master, slave = pty.openpty()
    drawn = b""
    with subprocess.Popen([program(), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=slave, cwd=home,
                          env=environment(home, TERM="xterm", **env)) as process:
        os.close(slave)
        try:
            while part := os.read(master, 4096):
                drawn += part
        except OSError:  # the other end is closed
            pass
        process.wait(PATIENCE)
    os.close(master)
    return drawn.decode()


def test_a_terminal_gets_a_progress_bar_that_is_wiped_at_the_end(home):
    drawn = on_a_terminal(home, "transcribe", *OWN, CLIP)
    assert "hotmic-clip.flac" in drawn and "%" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_errors_are_coloured_on_a_terminal_unless_no_color_is_set(home):
    assert "\x1b[31m" in on_a_terminal(home, "inspect", "none.bin")
    assert "\x1b[31m" not in on_a_terminal(home, "inspect", "none.bin", NO_COLOR="1")


def test_in_process_gives_the_same_text_as_a_worker(hotmic):
    assert hotmic("transcribe", *OWN, "--in-process", CLIP).out == hotmic("transcribe", *OWN, CLIP).out


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    with Server("--provider", "pocketsphinx", "--level", "0", "--set", "server.api_keys=[\"secret\"]", home=tmp_path_factory.mktemp("home")) as server:
        yield server.wait_ready()


def test_a_server_does_it_as_this_program_would(hotmic, remote):
    asked = ["transcribe", "--server", remote.url, "--key", "secret"]
    done = hotmic(*asked, CLIP)
    assert done.code == 0, done.err
    assert done.out == hotmic("transcribe", *OWN, CLIP).out
    assert hotmic(*asked, "-", stdin=CLIP.read_bytes()).out == done.out
    assert re.match(r"1\n00:00:", hotmic(*asked, "--format", "srt", CLIP).out)
    assert json.loads(hotmic(*asked, "--format", "verbose_json", "--words", CLIP).out)["words"]


def test_what_a_server_refuses_is_told_as_it_tells_it(hotmic, remote, tmp_path):
    (tmp_path / "no.wav").write_text("no audio")
    asked = ["transcribe", "--server", remote.url, "--key", "secret"]
    assert hotmic(*asked, "no.wav").code == 4
    assert hotmic(*asked, "missing.wav").code == 3
    unknown = hotmic(*asked, "--server-model", "nobody", CLIP)
    assert unknown.code == 3 and "nobody" in unknown.err
    wrong = hotmic("transcribe", "--server", remote.url, "--key", "wrong", CLIP)
    assert wrong.code == 3 and "--key" in wrong.err
    gone = hotmic("transcribe", "--server", "http://127.0.0.1:9", CLIP)
    assert gone.code == 6 and "hotmic serve" in gone.err
    assert hotmic("transcribe", "--server", "nonsense", CLIP).code == 3
    several = hotmic(*asked, "no.wav", CLIP)
    assert several.code == 4 and heard(several.out) > 0.6, "the others are still done"
