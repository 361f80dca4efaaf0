"""Several servers behind a load balancer, under load: what their clients see while servers come and go."""

import base64
import contextlib
import http.client
import signal
import threading
import time
from dataclasses import dataclass, field

import websockets.exceptions

from hotmic_py import CLIP, SOURCE, Messages, free_port, speech_pcm, until
from proxies import Behind, haproxy_status, running

COMPLETED = "conversation.item.input_audio_transcription.completed"


class Fleet:
    """Servers one, two and three, and HAProxy with the configuration that is in deploy/."""

    NAMES = ("one", "two", "three")

    def __init__(self, folder, start, answer_timeout="600s"):
        """`start`: makes a Server that listens on the port that it is given."""
        self.folder, self.start, self.answer_timeout = folder, start, answer_timeout
        self.ports = {name: free_port() for name in self.NAMES}
        self.front, self._told = Behind(free_port()), Behind(free_port())
        self.servers = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            for name in self.NAMES:
                self.begin(name)
            for server in self.servers.values():
                server.wait_ready()
            self._balance()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()
        for server in self.servers.values():
            with contextlib.suppress(ProcessLookupError):
                server.process.send_signal(signal.SIGCONT)
            server.__exit__()

    def _balance(self):
        variables = {f"HOTMIC_{name.upper()}": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        variables |= {"HOTMIC_BIND": self.front.url[7:], "HOTMIC_STATS": self._told.url[7:], "HOTMIC_ANSWER_TIMEOUT": self.answer_timeout}
        ports = [int(each.url.rpartition(":")[2]) for each in (self.front, self._told)]
        self._stack.enter_context(running("haproxy", ["haproxy", "-db", "-f", SOURCE / "deploy/haproxy/haproxy.cfg"], self.folder, *ports, variables=variables))
        for name in self.NAMES:
            self.wait_for(name, "UP")

    def begin(self, name):
        self.servers[name] = self.start(name, self.ports[name]).__enter__()

    def wait_for(self, name, wanted):
        """Waits until that is the state of a server to the load balancer: UP or DOWN."""
        until(lambda: haproxy_status(self._told, name)["status"].startswith(wanted), f"{name} is {wanted}")

    # --- what becomes of a server ---

    def restart(self, name):
        """As a service manager does it: told to end, waited for, begun again, READY before the next one's turn."""
        code = self.servers[name].stop()
        self.servers[name].__exit__()
        self.begin(name)
        self.servers[name].wait_ready()
        self.wait_for(name, "UP")
        return code

    def kill(self, name):
        self.servers[name].process.kill()
        self.wait_for(name, "DOWN")
        self.servers[name].__exit__()
        self.begin(name)
        self.servers[name].wait_ready()
        self.wait_for(name, "UP")

    def freeze(self, name, meanwhile):
        """Stopped, and not ended: it takes connections and answers nothing."""
        process = self.servers[name].process
        process.send_signal(signal.SIGSTOP)
        self.wait_for(name, "DOWN")
        meanwhile()
        process.send_signal(signal.SIGCONT)
        self.wait_for(name, "UP")


@dataclass
class Seen:
    """What clients saw."""

    answered: int = 0
    streamed: int = 0  # to their [DONE]
    sessions: int = 0  # live ones whose speech was recognized
    moved: int = 0  # live ones that were told to go, and went on elsewhere
    failed: list = field(default_factory=list)
    torn: list = field(default_factory=list)  # streams that ended without a word of why
    latencies: list = field(default_factory=list)


class Load:
    """Clients that ask again and again until they are told to stop: for files, for streams of events, and live ones."""

    def __init__(self, front, text, files=4, streams=2, live=2, clip=CLIP):
        """`text`: a part of what the clip is recognized as, in lower case."""
        self.front, self.text, self.clip = front, text, clip
        self.seen = Seen()
        self._over, self._lock = threading.Event(), threading.Lock()
        kinds = [self._file] * files + [self._stream] * streams + [self._live] * live
        self._threads = [threading.Thread(target=self._again, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, **more):
        """Waits until so many more have been seen of each kind: wait_for(answered=10)."""
        goal = {name: getattr(self.seen, name) + count for name, count in more.items()}
        until(lambda: all(getattr(self.seen, name) >= count for name, count in goal.items()), f"{goal} are seen")

    def _again(self, kind):
        while not self._over.is_set():
            kind()

    def _note(self, **what):
        with self._lock:
            for name, value in what.items():
                old = getattr(self.seen, name)
                old.append(value) if isinstance(old, list) else setattr(self.seen, name, old + value)

    def _file(self):
        began = time.monotonic()
        try:
            answer = self.front.transcribe(self.clip)
            right = answer.status == 200 and self.text in answer.json()["text"].lower()
            self._note(**({"answered": 1, "latencies": time.monotonic() - began} if right else {"failed": (answer.status, answer.text)}))
        except (OSError, ValueError, http.client.HTTPException) as problem:
            self._note(failed=repr(problem))

    def _stream(self):
        try:
            answer = self.front.transcribe(self.clip, stream="true")
        except http.client.IncompleteRead as problem:
            return self._note(torn=problem.partial)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            return self._note(failed=repr(problem))
        if answer.status != 200:
            return self._note(failed=(answer.status, answer.text))
        if answer.text.rstrip().endswith("data: [DONE]"):
            return self._note(streamed=1)
        return self._note(torn=answer.text[-200:])

    def _live(self):
        """A session that says the clip; told to go, it says it again elsewhere."""
        pcm = speech_pcm(24000, 1, clip=self.clip)
        try:
            with Messages(self.front, "/v1/realtime?intent=transcription") as session:
                for at in range(0, len(pcm), 9600):
                    session.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm[at:at + 9600]).decode()})
                heard = session.until(COMPLETED)
                self._note(**({"sessions": 1} if self.text in heard["transcript"].lower() else {"failed": heard}))
        except websockets.exceptions.ConnectionClosed as closed:
            told = closed.rcvd
            self._note(**({"moved": 1} if told and told.code in (1001, 1012, 1013) else {"torn": repr(closed)}))
        except (OSError, AssertionError, websockets.exceptions.WebSocketException) as problem:
            self._note(failed=repr(problem))
