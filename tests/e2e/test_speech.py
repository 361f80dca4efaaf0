"""Real recordings through the real server: many at once, none lost, and the words mostly right."""

import csv
import os
import signal
from concurrent.futures import ThreadPoolExecutor


def word_errors(said, heard):
    """Word edits between two texts."""
    said, heard = said.split(), heard.split()
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def test_english_recordings_are_recognized(server, speech):
    with (speech / "manifest.tsv").open() as manifest:
        clips = [row for row in csv.DictReader(manifest, delimiter="\t") if row["language"] == "en"]
    assert len(clips) > 20

    def recognize(clip):
        answer = server.transcribe(speech / clip["file"])
        assert answer.status == 200, answer.text
        return word_errors(clip["reference"], answer.json()["text"])

    with ThreadPoolExecutor(4) as clients:
        errors = sum(clients.map(recognize, clips))
    words = sum(len(clip["reference"].split()) for clip in clips)
    assert errors / words < 0.45, f"{errors} errors in {words} words"


def test_a_restart_of_the_worker_is_survived(server, speech):
    """Kills the worker for real; the server answers throughout and the model is READY again."""
    seen = len(server.lines)
    os.kill(server.workers()[0], signal.SIGKILL)
    assert server.request("/livez").status == 200
    server.wait_for(r"READY → ERROR", after=seen)
    server.wait_for(r"→ READY", after=seen)
    assert server.request("/readyz").status == 200
    assert server.transcribe().status == 200
    assert len(server.workers()) == 1
