"""A server that answers as docs/api.md says of /admin, for what `hotmic models`, `load`, `unload` and `swap` make of it.

The real server is in test_admin.py; this one gives the answers that a healthy server never gives.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeAdmin:
    """answers: {"GET /admin/models": (status, body)}; a body that is a list is given out one by one, the last for ever."""

    def __init__(self, answers):
        self.answers = {key: list(each) if isinstance(each, list) else [each] for key, each in answers.items()}
        self.seen = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                fake.seen.append((f"{self.command} {self.path}", self.headers.get("Authorization"), json.loads(body) if body else None))
                answers = fake.answers.get(f"{self.command} {self.path}", [(404, {"error": {"message": "no such path", "code": "not_found"}})])
                status, told = answers.pop(0) if len(answers) > 1 else answers[0]
                text = (told if isinstance(told, str) else json.dumps(told)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
