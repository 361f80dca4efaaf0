"""What deploy/ says of the metrics is so: each that a panel or an alert asks for is one that the server tells, with those labels."""

import json
import re

import pytest

import hotmic_py
from hotmic_py import SOURCE

DEPLOY = SOURCE / "deploy"
METRIC = re.compile(r"(hotmic_\w+)(?:\{([^}]*)\})?")
GIVEN = {"instance", "job"}  # by Prometheus


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The labels of each metric, and their values."""
    with hotmic_py.Server("--provider", "fake", "--model", "fake:text=a", "--level", "1", "--set", "models.default.warmup.validate=runs",
                          home=tmp_path_factory.mktemp("home"), name="hotmic-faults") as server:
        server.wait_ready()
        server.request("/admin/models/default/unload", "POST", b"")
        hotmic_py.until(lambda: server.transcribe().status == 503, "an error is told")
        server.request("/admin/models/default/load", "POST", b"")
        server.until_ready()
        server.transcribe()
        labels = {}
        for line in server.request("/metrics").text.splitlines():
            if not line.startswith("#"):
                name, given = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
                of_metric = labels.setdefault(name, {})
                for label, value in re.findall(r'(\w+)="([^"]*)"', given or ""):
                    of_metric.setdefault(label, set()).add(value)
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
