"""A web server that misbehaves on purpose: what it does with each request is said beforehand."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadWeb:
    """`files` maps paths to bytes. Each request takes the next of `faults`: a function of the handler that answers in place of the file,
    or None; when there are none left, files are served as they should be, ranges included."""

    def __init__(self, tls=None):
        """`tls`: an ssl.SSLContext, for https."""
        self.files = {}
        self.faults = []
        self.requests = []  # (path, headers), as they came
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                web.requests.append((self.path, dict(self.headers)))
                fault = web.faults.pop(0) if web.faults else None
                try:
                    if fault:
                        fault(self)
                    else:
                        web.serve(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                if not tls:  # who does not like a certificate leaves in the middle of the handshake
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, handler, cut=None, pause=0.0, piece=1 << 16):
        """The file, or the part of it that was asked for; `cut`: only that many bytes of the body, then the connection ends."""
        data = self.files.get(handler.path.split("?")[0])
        if data is None:
            return answer(404)(handler)
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        begin = 0
        wanted = handler.headers.get("Range")
        if wanted and handler.headers.get("If-Range", etag) == etag:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(data):
                return answer(416, **{"Content-Range": f"bytes */{len(data)}"})(handler)
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        handler.send_header("ETag", etag)
        body = data[begin:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if cut is not None:
            body = body[:cut]
            handler.close_connection = True
        for at in range(0, len(body), piece):
            handler.wfile.write(body[at:at + piece])
            if pause:
                handler.wfile.flush()
                time.sleep(pause)
        return None

    def cut(self, count):
        return lambda handler: self.serve(handler, cut=count)

    def slowly(self, piece, pause):
        return lambda handler: self.serve(handler, piece=piece, pause=pause)


def answer(status, body=b"", **headers):
    def give(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return give


def redirect(to):
    return answer(302, Location=to)
