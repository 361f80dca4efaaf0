"""What benchmarks of live streams play, and how long after it was said each word was there."""

import difflib
import time

from hotmic_py import speech_pcm
from peers import clips, words

GAP = 1.0  # seconds of silence behind each clip


class Clip:
    """A recording, as PCM16 of `rate`, with the words that are said in it."""

    def __init__(self, path, reference, rate):
        self.path, self.reference = path, reference
        self.pcm = speech_pcm(rate, clip=path)
        self.seconds = len(self.pcm) / 2 / rate
        self.heard = None  # [(word, its end)], as a file

    def hear(self, server, language=None):
        fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"} | ({"language": language} if language else {})
        self.heard = [(part, word["end"]) for word in server.transcribe(self.path, **fields).json()["words"] for part in words(word["word"])]


def english_clips(folder, rate):
    """Those of 4 to 17 s."""
    return [Clip(path, reference, rate) for path, seconds, reference in clips(folder) if 4 < seconds < 17]


def playlists(every, streams, seconds):
    """Other clips for each stream, of so many seconds at least."""
    lists = [[] for _ in range(streams)]
    for number, playlist in enumerate(lists):
        while sum(clip.seconds + GAP for clip in playlist) < seconds:
            playlist.append(every[(number * 5 + len(playlist)) % len(every)])
    return lists


class Told:
    """The words of one stream, by utterance in their order, and when each was there whole."""

    def __init__(self):
        self.utterances = {}

    def note(self, utterance, text, at=None):
        """`text`: all of the utterance that is told so far. `at`: on the monotonic clock; left out: now."""
        at, had = time.monotonic() if at is None else at, self.utterances.setdefault(utterance, [])
        for place, word in enumerate(words(text)):
            if place == len(had):
                had.append((word, at))
            elif had[place][0] != word:  # its end came
                had[place] = (word, at)

    def delays(self, playlist, began):
        """Seconds from the end of each word's audio until it was there, of the words that were also heard in the file."""
        expected, offset = [], began
        for clip in playlist:
            expected += [(word, offset + end) for word, end in clip.heard]
            offset += clip.seconds + GAP
        came = [each for utterance in self.utterances.values() for each in utterance]
        same = difflib.SequenceMatcher(None, [word for word, _ in expected], [word for word, _ in came], autojunk=False)
        return [came[block.b + i][1] - expected[block.a + i][1] for block in same.get_matching_blocks() for i in range(block.size)]
