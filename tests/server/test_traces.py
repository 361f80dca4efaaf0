"""Spans of requests and of models being made ready, as a collector gets them, and exemplars that lead to them."""

import pytest

import collector
import hotmic_py

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
ROUTE = "POST /v1/audio/transcriptions"
OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"}  # as Prometheus asks


def sent_to(endpoint, **more):
    """The environment that has a server send its spans there, soon."""
    return {"OTEL_BSP_SCHEDULE_DELAY": "20", "HOTMIC_TRACES_ENDPOINT": endpoint} | more


@pytest.fixture
def traced(fake):
    def begin(to, *arguments, options="text=hello", **more):
        return fake(options, *arguments, env=sent_to(to.endpoint, **more))

    return begin


def transcribe(server, traceparent=None, **fields):
    return server.transcribe(hotmic_py.CLIP, headers={"traceparent": traceparent} if traceparent else {}, **fields)


def whole_trace(to, trace=None):
    """The request's span and its parts, once it is over."""
    request = to.wait_for(lambda span: span.name == ROUTE and trace in (None, span.trace), hotmic_py.PATIENCE)[-1]
    parts = {span.name: span for span in to.spans if span.parent == request.id}
    return request, parts


def test_a_request_is_traced_under_its_caller_from_decoding_to_formatting(traced):
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        assert transcribe(server, f"00-{TRACE}-{CALLER}-01").status == 200
        request, parts = whole_trace(to, TRACE)
        assert request.parent == CALLER
        assert set(parts) == {"decode", "queue", "inference", "format"}
        for part in parts.values():
            assert part.trace == TRACE
            assert request.began <= part.began <= part.ended <= request.ended, part.name
        assert parts["queue"].ended <= parts["inference"].began <= parts["inference"].ended <= parts["format"].began
        assert request.attributes["http.route"] == "/v1/audio/transcriptions"
        assert request.attributes["http.response.status_code"] == 200
        assert parts["inference"].attributes["hotmic.model"] == "default"
        assert parts["decode"].attributes["hotmic.audio.seconds"] == parts["inference"].attributes["hotmic.audio.seconds"] > 1
        assert request.resource["service.name"] == "hotmic"
        assert f"trace={TRACE}" in server.log()


def test_a_model_on_its_way_is_a_trace_of_loading_and_warmup(home):
    warmed_up = ["--provider", "fake", "--model", "fake:text=a", "--level", "1", "--set", "models.default.warmup.validate=runs"]
    with collector.Collector() as to, hotmic_py.Server(*warmed_up, home=home, name="hotmic-faults", env=sent_to(to.endpoint)) as server:
        server.wait_ready()
        ready = to.wait_for(lambda span: span.name == "make ready", hotmic_py.PATIENCE)[0]
        parts = {span.name: span for span in to.spans if span.parent == ready.id}
        assert ready.attributes["hotmic.state"] == "READY"
        assert ready.attributes["hotmic.model"] == "default"
        assert set(parts) == {"load", "warmup"}
        assert ready.began <= parts["load"].ended <= parts["warmup"].ended <= ready.ended


def test_a_stream_is_traced_until_its_last_word(traced):
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        assert transcribe(server, f"00-{TRACE}-{CALLER}-01", stream="true").status == 200
        request, parts = whole_trace(to, TRACE)
        assert parts["inference"].ended <= request.ended


def test_a_live_session_is_one_span_until_it_ends(traced):
    client = pytest.importorskip("websockets.sync.client", reason="NO WEBSOCKETS: apt install python3-websockets")
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        url = server.url.replace("http", "ws") + "/v1/realtime?intent=transcription"
        with client.connect(url, additional_headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}) as session:
            session.recv()
            assert transcribe(server).status == 200  # whose span is sent after that of the session, were it over
            to.wait_for(lambda span: span.name == ROUTE, hotmic_py.PATIENCE)
            assert "GET /v1/realtime" not in {span.name for span in to.spans}
        span = to.wait_for(lambda span: span.name == "GET /v1/realtime", hotmic_py.PATIENCE)[0]
        assert span.parent == CALLER and span.attributes["http.response.status_code"] == 101


def test_an_unload_is_no_way_to_ready(traced):
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        assert server.stop() == 0
        assert [span.name for span in to.spans].count("make ready") == 1


def test_a_failure_is_told(traced):
    with collector.Collector() as to, traced(to, options="fail=infer") as server:
        server.wait_ready()
        assert transcribe(server).status == 500
        request, parts = whole_trace(to)
        assert request.failed and request.attributes["error.type"] == "inference_failed"
        assert parts["inference"].failed
        assert "format" not in parts


def test_what_the_caller_does_not_record_is_not_recorded_here_and_nonsense_is_ignored(traced):
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        assert transcribe(server, f"00-{TRACE}-{CALLER}-00").status == 200
        for nonsense in ("", "00", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-01-more", "x" * 4000):
            assert transcribe(server, nonsense).status == 200
        assert server.request("/readyz").status == 200
        assert server.request("/metrics").status == 200
        assert server.stop() == 0
        requests = [span for span in to.spans if span.name.startswith(("GET", "POST"))]
        assert [span.name for span in requests] == [ROUTE] * 6
        assert all(span.parent == "" and span.trace != TRACE for span in requests), "each begins a trace of its own"


def test_what_waits_is_sent_at_the_end(fake):
    with collector.Collector() as to, fake("text=hello", env={"OTEL_EXPORTER_OTLP_ENDPOINT": to.endpoint.removesuffix("/v1/traces"),
                                                              "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=home",
                                                              "OTEL_SERVICE_NAME": "captions", "OTEL_BSP_SCHEDULE_DELAY": "600000"}) as server:
        server.wait_ready()
        assert transcribe(server).status == 200
        assert server.stop() == 0
        request, parts = whole_trace(to)
        assert len(parts) == 4
        assert request.resource["service.name"] == "captions"
        assert all(headers["x-tenant"] == "home" for headers in to.headers)


@pytest.mark.parametrize("status", [None, 503])
def test_a_collector_that_hangs_or_refuses_costs_spans_and_nothing_else(traced, status):
    with collector.Collector(status) as to, traced(to, OTEL_EXPORTER_OTLP_TIMEOUT="1s", OTEL_CPP_EXPORTER_OTLP_TRACES_RETRY_MAX_ATTEMPTS="1") as server:
        server.wait_ready()
        assert all(transcribe(server).status == 200 for _ in range(3))
        to.wait_for_post(hotmic_py.PATIENCE)
        hotmic_py.until(lambda: server.metric('hotmic_trace_spans_total{result="failed"}') > 0, "lost spans are counted")
        assert server.stop() == 0


def test_nothing_is_traced_unless_it_is_asked_for(fake):
    with fake("text=hello", env={"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) as server:
        server.wait_ready()
        assert transcribe(server, f"00-{TRACE}-{CALLER}-01").status == 200
        assert "trace" not in server.log()
        assert server.metric('hotmic_trace_spans_total{result="failed"}') == 0


def test_an_endpoint_that_is_none_is_refused(tmp_path):
    refused = hotmic_py.run("serve", "--set", "traces.endpoint=127.0.0.1:4317", home=tmp_path)
    assert refused.code == 7
    assert "traces.endpoint" in refused.err and "http://127.0.0.1:4318/v1/traces" in refused.err


def test_exemplars_lead_to_traces(traced):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="NO PARSER OF OPENMETRICS: apt install python3-prometheus-client")
    with collector.Collector() as to, traced(to) as server:
        server.wait_ready()
        assert transcribe(server, f"00-{TRACE}-{CALLER}-01").status == 200
        request, _ = whole_trace(to, TRACE)
        answer = server.request("/metrics", headers=OPEN_METRICS)
        assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        families = {family.name: family for family in parser.text_string_to_metric_families(answer.text)}
        for name in ("hotmic_queue_wait_seconds", "hotmic_inference_seconds", "hotmic_real_time_factor", "hotmic_http_request_duration_seconds"):
            led = [sample.exemplar for sample in families[name].samples if sample.exemplar]
            assert [(each.labels["trace_id"], each.labels["span_id"]) for each in led] == [(TRACE, request.id)], name
        assert families["hotmic_audio_seconds"].type == "counter"


def test_both_formats_say_the_same(fake):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="NO PARSER OF OPENMETRICS: apt install python3-prometheus-client")
    import prometheus_client.parser

    with fake("text=hello") as server:
        server.wait_ready()
        assert transcribe(server).status == 200

        def samples(parse, text):
            return {(sample.name, *sorted((key, str(float(value)) if key == "le" else value) for key, value in sample.labels.items()))
                    for family in parse(text) for sample in family.samples if not sample.name.endswith("_created")}

        server.request("/metrics")  # which has series of its own from then on
        plain = server.request("/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        opened = server.request("/metrics", headers=OPEN_METRICS)
        said = samples(prometheus_client.parser.text_string_to_metric_families, plain.text)
        assert said and samples(parser.text_string_to_metric_families, opened.text) == said
