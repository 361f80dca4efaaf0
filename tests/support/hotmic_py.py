"""Driving the real program from tests: run a command, start a server, read what it says.

The programs are found in the folder that HOTMIC_TEST_BIN names (CTest sets it), else in the newest build of the checkout.
Nothing here sleeps: waiting is for a line of output or for the end of the process, with a generous limit against hangs.
"""

import base64
import contextlib
import io
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import wave
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CLIP = SOURCE / "src/audio/clip/hotmic-clip.flac"
CLIP_TEXT = (SOURCE / "src/audio/clip/hotmic-clip.txt").read_text().strip()
NUMBERS_MODEL = SOURCE / "models/numbers/hotmic-numbers.en-q5_0.bin"
NUMBERS_TEXT = NUMBERS_MODEL.with_name("clip.txt").read_text().strip()
MULTILINGUAL_MODEL = NUMBERS_MODEL.parent / "multilingual/hotmic-numbers-q5_0.bin"


def settings(**models):
    """Flags that set these keys of these models: settings(default={"slots": 2})."""
    return [flag for name, keys in models.items() for key, value in keys.items() for flag in ("--set", f"models.{name}.{key}={value}")]


def numbers_clip(model="default"):
    """Flags by which a numbers model is warmed up with what it knows: the built-in clip is everyday English."""
    return settings(**{model: {"warmup.clip": NUMBERS_MODEL.with_name("clip.wav"), "warmup.clip_text": NUMBERS_TEXT}})


NUMBERS = ["--provider", "whisper_cpp", "--set", f"models_dir={NUMBERS_MODEL.parent}", *numbers_clip()]
NEW_VOICES = ["en-us+m3", "en-gb+f2", "en-us+Andy", "en-us+linda"]  # of espeak-ng, held out from its training
NEW_GERMAN_VOICES = ["de+m3", "de+f2", "de+Andy", "de+linda"]
SPEECH = SOURCE.parent / "shared/speech"
PATIENCE = int(os.environ.get("HOTMIC_TEST_PATIENCE", "180"))  # seconds; sanitizers are slow, a hang is forever


def program(name="hotmic"):
    if Path(name).is_absolute():
        return Path(name)
    folder = os.environ.get("HOTMIC_TEST_BIN")
    if folder:
        return Path(folder) / name
    found = sorted(SOURCE.glob(f"build/*/bin/{name}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{name} has not been built; build it, or set HOTMIC_TEST_BIN")
    return found[-1]


def say(text, path, voice=NEW_VOICES[0]):
    """Has a synthesizer say it, and gives the path of the recording."""
    spoken = path.with_suffix(".spoken.wav")
    subprocess.run(["espeak-ng", "-v", voice, "-w", spoken, text], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", spoken, "-af", "adelay=200:all=1,apad=pad_dur=0.4", "-ar", "16000", "-ac", "1", path], check=True)
    return path


SANITIZED = any(name in program().parts for name in ("asan", "tsan"))  # by the folder of its preset


def environment(home, **extra):
    """The caller's environment without anything that configures hotmic, and with a home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOTMIC_", "XDG_", "OTEL_")) and k != "NO_COLOR"}
    return kept | {"HOME": str(home)} | {k: str(v) for k, v in extra.items()}


def make_whisper_model(path, kind):
    """Writes a model file in Whisper's format that says a fixed sentence; `kind`: tests/support/make_whisper_model.cpp. Gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([program("hotmic_make_whisper_model"), path, kind], check=True, timeout=PATIENCE)
    return path


def until(check, what="it is so"):
    """Asks again and again until the answer is true, and gives it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := check()):
        assert time.monotonic() < deadline, f"it never came about that {what}"
        time.sleep(0.002)  # some moments are short
    return answer


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


def run(*arguments, home, name="hotmic", stdin=b"", cwd=None, env=None, under=()):
    """Runs one command to its end. `home`: a folder that stands for the user's home. `env`: further variables. `under`: a command that runs it."""
    done = subprocess.run([*under, program(name), *map(str, arguments)], input=stdin, capture_output=True, cwd=cwd or home,
                          env=environment(home, **(env or {})), timeout=PATIENCE, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def children_of(parent):
    """Every process is asked for its parent: the lists of children, one a thread, are no snapshot, for a child whose thread ends
    meanwhile moves to another list."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(process.name))
            except (OSError, IndexError):
                continue  # it has ended
    return found


def cmdline_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Server:
    """`hotmic serve` on a free port, or the one that is named. Use as a context manager; leaving it stops the server and checks nothing."""

    tls = None  # the context with which it is asked over TLS

    def __init__(self, *arguments, home, name="hotmic", env=None, under=(), port=0, descriptors=()):
        """`under`: a command that runs it, such as `nice`. `descriptors`: open files that it gets under the same numbers."""
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*under, program(name), "serve", "--port", str(port), *map(str, arguments)], cwd=home,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, pass_fds=descriptors,
                                        env=environment(home, **(env or {})))
        self.lines = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = None
        self._known_workers = set()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def __enter__(self):
        try:
            self.url = self.wait_for(r"^listening on (https?://\S+)").group(1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.errors.close()

    def wait_for(self, pattern, after=0):
        """The match of the first line, past or future, that fits; the first `after` lines do not count. Fails at once when the
        server has ended without one."""
        seen = after
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.lines)
                if self._ended:
                    break
                if not self._news.wait(PATIENCE):
                    break
        raise AssertionError(f"no line fits {pattern!r}\n--- stdout\n" + "\n".join(self.lines) + "\n--- stderr\n" + self.log())

    def wait_ready(self, *models):
        """Waits for READY, of the only model or of each of these. Fails at once when one ends in ERROR instead."""
        for lead in [f"{model}: .*" for model in models] or [""]:
            if self.wait_for(lead + r"→ (READY|ERROR)").group(1) == "ERROR":
                raise AssertionError("the model is in ERROR\n" + "\n".join(self.lines) + "\n" + self.log())
        return self

    def log(self):
        """What is on stderr so far."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def request(self, path, method="GET", body=None, headers=None):
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self.tls) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Answer(answer.code, dict(answer.headers), answer.read())

    def transcribe(self, file=CLIP, path="/v1/audio/transcriptions", headers=None, **fields):
        """Posts a file as OpenAI's clients do. `headers`: further ones."""
        boundary = "hotmic-test-boundary"
        parts = []
        for name, value in fields.items():
            parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{Path(file).name}"\r\n\r\n'.encode()
                     + Path(file).read_bytes() + b"\r\n")
        parts.append(f"--{boundary}--\r\n".encode())
        return self.request(path, "POST", b"".join(parts), (headers or {}) | {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def metric(self, series):
        """The value of a series, named as in the metrics' text: 'hotmic_slots{model="default",use="busy"}'."""
        [value] = [line.rpartition(" ")[2] for line in self.request("/metrics").text.splitlines() if line.startswith(series + " ")]
        return float(value)

    def until(self, what, value=1):
        """Waits until the default model's figure, such as how many slots are busy, is this one. Asking for it never waits."""
        until(lambda: self.request("/model-status").json()["stats"][what] == value, f"{what} is {value}")

    def until_ready(self):
        """Waits until the server is ready now, whatever it was before."""
        until(lambda: self.request("/readyz").status == 200, "it is ready")

    def workers(self):
        """Process ids of the worker processes."""
        found = self.children("worker")
        self._known_workers.update(found)
        return found

    def decoders(self):
        """Process ids of those that decode now; each has the same parent, which decodes nothing."""
        return [pid for origin in self.children("decoder") for pid in children_of(origin)]

    def children(self, command):
        """Process ids of the server's processes that were started for this."""
        return [pid for pid in children_of(self.process.pid) if f"\0{command}\0".encode() in cmdline_of(pid)]

    def workers_left(self):
        """Those of the workers seen before that still exist; to be asked after the server has ended."""
        return [pid for pid in self._known_workers if Path(f"/proc/{pid}").exists()]

    def stop(self, with_signal=signal.SIGTERM):
        """Asks the server to end and returns its exit code."""
        self.workers()
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self):
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


def speech_pcm(rate=16000, seconds=0.0, channels=1, clip=CLIP):
    """A recording, the built-in clip if none is named, as PCM16 of that rate, and silence after it."""
    said = subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-ar", str(rate), "-ac", str(channels), "-f", "s16le", "-"], capture_output=True,
                          check=True).stdout
    return said + bytes(2 * channels * int(rate * seconds))


def minutes_of_speech():
    """A WAV file of two and a half, in which somebody speaks throughout."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes((speech_pcm(8000) * 100)[:2 * 8000 * 150])
    return file.getvalue()


def poisoned(pcm):
    """PCM16 with what the fake model dies under (poison=…) in its middle."""
    middle, run = len(pcm) // 4 * 2, struct.pack("<h", 4096) * 160
    return pcm[:middle] + run + pcm[middle + len(run):]


def heard(text):
    """Share of the built-in clip's words that are in the text."""
    words = [re.findall(r"[a-z']+", each.lower()) for each in (CLIP_TEXT, text)]
    return sum(word in words[1] for word in words[0]) / len(words[0])


# Below the ports that the kernel gives to whoever asks for any, and other ones for each process, so that nobody takes a port between its choice and its use.
_ports = itertools.count(10_000 + os.getpid() % 1_000 * 20)


def free_port():
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Messages:
    """A WebSocket of JSON messages: `Messages(server, "/v1/realtime")`."""

    def __init__(self, server, path, **options):
        from websockets.sync.client import connect  # only tests of sockets need it

        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "max_size": None} | options
        self._connecting = connect(server.url.replace("http", "ws", 1) + path, **options)
        self.seen = []

    def __enter__(self):
        self.socket = self._connecting.__enter__()
        return self

    def __exit__(self, *caught):
        self._connecting.__exit__(*caught)

    def send(self, message):
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def next(self):
        self.seen.append(json.loads(self.socket.recv(timeout=PATIENCE)))
        return self.seen[-1]

    def until(self, kind, **members):
        """The next message of that type, with those members; what comes before it is in `seen`."""
        while True:
            message = self.next()
            if message["type"] == kind and all(message.get(name) == value for name, value in members.items()):
                return message

    def close_code(self):
        """Of the server's closing; what comes before it is in `seen`."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def play(session, pcm, piece=48000, pause=0.0):
    """Plays PCM16 of 24 kHz to a session of the Realtime API, in pieces of so many bytes with so many seconds between them, and waits until all that was
    said is recognized. By item: its transcript, and the deltas that told it."""
    for at in range(0, len(pcm), piece):
        session.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm[at:at + piece]).decode()})
        time.sleep(pause)
    session.send({"type": "input_audio_buffer.clear"})  # its answer comes behind everything that was said
    session.until("input_audio_buffer.cleared")

    def of(event):
        return [message for message in session.seen if message["type"] == event]

    transcription = "conversation.item.input_audio_transcription."
    while len(of(transcription + "completed")) < len(of("input_audio_buffer.committed")):
        session.next()
    return {message["item_id"]: (message["transcript"], [each["delta"] for each in of(transcription + "delta") if each["item_id"] == message["item_id"]])
            for message in of(transcription + "completed")}
