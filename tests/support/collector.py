"""A collector of OpenTelemetry's traces, as far as tests need one: it reads what is posted to it with OpenTelemetry's own messages."""

import gzip
import http.server
import threading
from dataclasses import dataclass

import pytest

service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2",
                              reason="NO MESSAGES OF OPENTELEMETRY: apt install python3-opentelemetry-proto")


@dataclass
class Span:
    name: str
    trace: str
    id: str
    parent: str
    began: int  # nanoseconds since 1970
    ended: int
    attributes: dict
    failed: bool
    resource: dict


def attributes_of(of):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


class Collector:
    """Use as a context manager. `status`: its answer to everything; None: it never answers."""

    def __init__(self, status=200):
        self.spans = []
        self.headers = []
        self._posts = 0
        self._news = threading.Condition()
        self._end = threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector._take(self.path, dict(self.headers), body)
                if status is None:
                    collector._end.wait()
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def _take(self, path, headers, body):
        assert path == "/v1/traces"
        message = service.ExportTraceServiceRequest.FromString(body)
        with self._news:
            self._posts += 1
            self.headers.append(headers)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += [Span(span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.start_time_unix_nano,
                                        span.end_time_unix_nano, attributes_of(span), span.status.code == 2, attributes_of(resource.resource))
                                   for span in scope.spans]
            self._news.notify_all()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, fits, patience):
        """The spans that fit, as soon as there is one."""
        with self._news:
            assert self._news.wait_for(lambda: any(fits(span) for span in self.spans), patience), [span.name for span in self.spans]
            return [span for span in self.spans if fits(span)]

    def wait_for_post(self, patience):
        with self._news:
            assert self._news.wait_for(lambda: self._posts > 0, patience)
