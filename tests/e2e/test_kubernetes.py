"""deploy/kubernetes: what Kubernetes' own schemas say of it, and that what it names is there: paths of probes, keys of the configuration, a metric.

The schemas come with the package kubernetes-validate of PyPI, in a folder of its own; without a network that part is skipped."""

import os
import re
import subprocess
import sys

import pytest

import hotmic_py
from hotmic_py import SOURCE, Server

FILE = SOURCE / "deploy/kubernetes/hotmic.yaml"
VALIDATOR = "kubernetes-validate==1.37.0"


@pytest.fixture(scope="module")
def objects():
    yaml = pytest.importorskip("yaml", reason="NO YAML: apt install python3-yaml")
    return {each["kind"]: each for each in yaml.safe_load_all(FILE.read_text())}


def test_it_is_what_kubernetes_takes(tmp_path):
    got = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", tmp_path / "validator", VALIDATOR],
                         capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip(f"NO VALIDATOR: {VALIDATOR} cannot be had: {got.stderr[-200:]}")

    def judge(file):
        return subprocess.run([sys.executable, tmp_path / "validator/bin/kubernetes-validate", "--strict", file], capture_output=True, text=True, check=False,
                              env=os.environ | {"PYTHONPATH": str(tmp_path / "validator")})

    told = judge(FILE)
    assert told.returncode == 0, told.stdout + told.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(FILE.read_text().replace("readinessProbe", "readynessProbe"))
    assert judge(wrong).returncode != 0, "it looks at them"


@pytest.fixture(scope="module")
def container(objects):
    return objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture(scope="module")
def started(objects, tmp_path_factory):
    """The server with that configuration, but for places that are not here, and another model."""
    home = tmp_path_factory.mktemp("home")
    configuration = home / "hotmic.toml"
    told = objects["ConfigMap"]["data"]["hotmic.toml"]
    configuration.write_text(told.replace("/var/lib/hotmic/models", str(home / "models")).replace("/var/tmp/hotmic", str(home / "uploads"))
                             .replace("0.0.0.0", "127.0.0.1"))
    with Server("--config", configuration, "--provider", "fake", "--model", "fake:text=a", "--level", "0", home=home, name="hotmic-faults") as server:
        yield server.wait_ready()


def test_its_configuration_is_taken(started):
    assert started.transcribe().json()["text"] == "a"


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_its_probes_are_answered(container, started, probe):
    assert started.request(container[probe]["httpGet"]["path"]).status == 200


def test_its_variables_are_keys(container, tmp_path):
    variables = {each["name"]: "a-key" + str(number) for number, each in enumerate(container["env"]) if "valueFrom" in each}
    assert len(variables) > 1
    assert hotmic_py.run("config", home=tmp_path, env=variables).code == 0
    assert hotmic_py.run("config", home=tmp_path, env={"HOTMIC_SERVER_NO_SUCH_KEY": "1"}).code != 0


def test_it_grows_by_a_metric_that_is_told(objects, started):
    [metric] = objects["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert re.search(rf"^{metric['pods']['metric']['name']}{{", started.request("/metrics").text, re.MULTILINE)


def test_there_is_time_to_end(objects):
    configuration = objects["ConfigMap"]["data"]["hotmic.toml"]
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    milliseconds = sum(int(re.search(rf"{key} = ([\d_]+)", configuration).group(1).replace("_", "")) for key in ("drain_delay_ms", "shutdown_timeout_ms"))
    before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] > before + milliseconds / 1000
