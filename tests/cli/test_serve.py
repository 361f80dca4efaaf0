"""What `hotmic serve`, `warmup` and `doctor` say and how they end."""

import re
import signal
import socket

import pytest
from hotmic_py import Server

OWN = ["--provider", "pocketsphinx"]


def test_states_are_printed_in_order_with_their_times(home):
    with Server(*OWN, "--level", "1", home=home) as server:
        server.wait_ready()
        assert server.request("/readyz").status == 200
        assert server.stop() == 0
        steps = [(float(m[1]), m[2]) for m in (re.match(r" +(\d+\.\d{3}) s  .* → (\w+)", line) for line in server.lines) if m]
        assert [state for _, state in steps] == ["LOADING", "WARMING_UP", "READY", "UNLOADING", "UNINITIALIZED"]
        assert [time for time, _ in steps] == sorted(time for time, _ in steps)
        assert server.lines[0] == f"listening on {server.url}"
        ready = next(i for i, line in enumerate(server.lines) if "→ READY" in line)
        assert re.search(r"steady latency \d.* on the warmup clip", server.lines[ready + 1])
        assert "stopped" in server.lines[-1]
        assert not any("\x1b" in line for line in server.lines)  # no colour in a pipe


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_while_the_model_is_in_error(home, which):
    model = home / "model.bin"
    model.write_text("not a model")
    with Server("--model", model, home=home) as server:
        server.wait_for("→ ERROR")
        server.wait_for(r"^ +→ \S")  # the remedy
        assert server.request("/livez").status == 200
        probe = server.request("/readyz")
        assert probe.status == 503 and "ERROR" in probe.text
        assert server.stop(which) == 0


def test_a_port_in_use_is_named_before_anything_loads(hotmic):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = hotmic("serve", *OWN, "--port", port)
        assert done.code == 7
        assert str(port) in done.err and "LOADING" not in done.out
        checked = hotmic("doctor", "--port", port)
        assert checked.code == 7
        assert f"{port}" in checked.out and "--port" in checked.out


def test_doctor_finds_a_healthy_machine_healthy(hotmic):
    checked = hotmic("doctor", *OWN, "--port", "0", "--json")
    told = checked.json()
    assert checked.code == 0, checked.out
    assert told["healthy"] is True
    verdicts = {each["what"]: each["verdict"] for each in told["findings"]}
    for what in ("configuration", "provider pocketsphinx", "media decoding", "model", "memory", "worker process", "address"):
        assert verdicts[what] == "good"


def test_doctor_names_a_missing_model_and_what_mends_it(hotmic):
    checked = hotmic("doctor", "--model", "none.bin", "--port", "0")
    assert checked.code == 5
    assert "✗ model" in checked.out and "none.bin" in checked.out


def test_warmup_reports_its_levels_and_the_first_request(hotmic):
    told = hotmic("warmup", *OWN, "--level", "1", "--json").json()
    assert told["ready"] is True
    assert [level["name"] for level in told["warmup"]["levels"]] == ["validate"]
    assert told["warmup"]["complete"] is True
    assert told["load_time_ms"] > 0 and told["first_request"]["latency_ms"] > 0
    assert told["unload"]["process_gone"] is True and told["unload"]["resident_after_bytes"] == 0
    table = hotmic("warmup", *OWN, "--level", "2")
    assert table.code == 0
    assert re.search(r"1 +validate", table.out) and re.search(r"2 +single", table.out)
    assert "× steady" in table.out


def test_a_gate_that_cannot_be_met_is_too_slow(hotmic):
    done = hotmic("warmup", *OWN, "--level", "1", "--set", "models.default.warmup.ready_if.latency_p95_below_ms=1")
    assert done.code == 5
    assert "READY" not in done.out
    assert "latency" in done.err
