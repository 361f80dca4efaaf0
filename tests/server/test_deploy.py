"""What deploy/ says of the metrics is so: each that a panel or an alert asks for is one that the server tells, with those labels."""

import json
import re
import shutil
import subprocess

import pytest

import hotmic_py
from hotmic_py import SOURCE

DEPLOY = SOURCE / "deploy"
METRIC = re.compile(r"(hotmic_\w+)(?:\{([^}]*)\})?")
GIVEN = {"instance", "job"}  # by Prometheus


needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="NO PROMTOOL: apt install promtool")


def promtool(*arguments, stdin=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The labels of each metric, and their values."""
    labels = {}

    def take_labels(server):
        for line in server.request("/metrics").text.splitlines():
            if not line.startswith("#"):
                name, given = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
                of_metric = labels.setdefault(name, {})
                for label, value in re.findall(r'(\w+)="([^"]*)"', given or ""):
                    of_metric.setdefault(label, set()).add(value)

    home = tmp_path_factory.mktemp("home")
    hotmic_py.run("key", "app", "--expires", "1d", "--add", "keys.toml", home=home)
    with hotmic_py.Server("--provider", "fake", "--model", "fake:", "--level", "0", "--set", "server.keys_file=keys.toml", home=home,
                          name="hotmic-faults") as server:
        take_labels(server)
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=a", "--level", "1", "--set", "models.default.warmup.validate=runs",
                          home=home, name="hotmic-faults") as server:
        server.wait_ready()
        server.request("/admin/models/default/unload", "POST", b"")
        hotmic_py.until(lambda: server.transcribe().status == 503, "an error is told")
        server.request("/admin/models/default/load", "POST", b"")
        server.until_ready()
        server.transcribe()
        take_labels(server)
    return labels


def expressions():
    alerts = pytest.importorskip("yaml", reason="NO YAML: apt install python3-yaml").safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in json.loads((DEPLOY / "grafana/hotmic.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def test_every_metric_is_told_by_the_server(told):
    names = set()
    for title, expression, words in expressions():
        shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", words))
        for name, selectors in METRIC.findall(expression):
            names.add(name)
            assert name in told, f"{title}: there is no metric {name}"
            for label, operator, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selectors):
                assert label in told[name] or label in GIVEN, f"{title}: {name} has no label {label}"
                if label not in GIVEN and operator == "=":
                    assert value in told[name][label], f"{title}: {label} of {name} is never {value}"
                if label not in GIVEN and operator == "=~":
                    assert any(re.fullmatch(value, each) for each in told[name][label]), f"{title}: {label} of {name} is never like {value}"
            kept = set(re.findall(r"by \(([^)]*)\)", expression))
            grouped = {label.strip() for group in kept for label in group.split(",")} - {"le"}
            assert grouped - GIVEN <= set(told[name]), f"{title}: {name} has no {grouped}"
            if not kept:
                assert shown - GIVEN <= set(told[name]), f"{title}: {name} has no {shown}"
    assert len(names) > 20


@needs_promtool
def test_prometheus_takes_the_alerts_and_the_panels(tmp_path):
    assert "SUCCESS" in promtool("check", "rules", DEPLOY / "prometheus/alerts.yml")
    panels = tmp_path / "panels.yml"  # promtool reads rules, not dashboards
    panels.write_text(json.dumps({"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")} for number, (_, expression, _) in enumerate(expressions())]}]}))
    promtool("check", "rules", panels)


@needs_promtool
def test_each_alert_is_raised_by_what_it_is_about_and_by_nothing_else():
    promtool("test", "rules", SOURCE / "tests/server/alerts_test.yml")


@needs_promtool
def test_prometheus_finds_nothing_to_say_of_the_metrics(tmp_path):
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=a", "--level", "0", home=tmp_path, name="hotmic-faults") as server:
        server.wait_ready()
        server.transcribe()
        assert promtool("check", "metrics", stdin=server.request("/metrics").text) == ""
