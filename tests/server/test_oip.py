"""Open Inference Protocol v2 over a real socket."""

import base64
import json
import struct

import pytest
from hotmic_py import CLIP

FAKE_TEXT = "the fake has spoken"


def infer(server, body, path="/v2/models/default/infer", headers=None):
    return server.request(path, "POST", body if isinstance(body, bytes) else json.dumps(body).encode(), headers or {})


def order(**changes):
    return {"id": "42", "inputs": [{"name": "audio", "shape": [1], "datatype": "BYTES",
                                    "data": [base64.b64encode(CLIP.read_bytes()).decode()]} | changes]}


def test_the_server_says_what_it_is(ready):
    about = ready.request("/v2").json()
    assert about["name"] == "hotmic" and "model_repository" in about["extensions"]
    assert ready.request("/v2/health/live").json() == {"live": True}
    assert ready.request("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/v2/models/default", "/v2/models/default/versions/1", "/v2/models/whisper-1"])
def test_a_model_is_described(ready, path):
    model = ready.request(path).json()
    assert model["name"] == "default" and model["platform"] == "hotmic_fake"
    assert model["inputs"] == [{"name": "audio", "datatype": "BYTES", "shape": [1]}]
    assert ready.request(path + "/ready").json() == {"name": "default", "ready": True}


@pytest.mark.parametrize("path", ["/v2/models/default/infer", "/v2/models/default/versions/1/infer"])
def test_an_inference_from_json(ready, path):
    answer = infer(ready, order(), path)
    assert answer.status == 200, answer.text
    body = answer.json()
    assert body["model_name"] == "default" and body["id"] == "42"
    assert {output["name"]: output["data"] for output in body["outputs"]} == {"text": [FAKE_TEXT], "language": ["en"]}


def test_an_inference_with_binary_data(ready):
    media = CLIP.read_bytes()
    head = json.dumps({"inputs": [{"name": "audio", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(media) + 4}}]}).encode()
    answer = infer(ready, head + struct.pack("<I", len(media)) + media, headers={"Inference-Header-Content-Length": str(len(head))})
    assert answer.json()["outputs"][0]["data"] == [FAKE_TEXT]
    for wrong in ({"Inference-Header-Content-Length": "999999999"}, {"Inference-Header-Content-Length": "x"}, {}):
        assert infer(ready, head + struct.pack("<I", 5) + media, headers=wrong).status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", {}, {"inputs": []}, order(name="sound"), order(datatype="FP32"), order(data=[]), order(data=["???"]),
                                  order(data=[""]), order() | {"parameters": {"task": "sing"}}, order() | {"parameters": {"temperature": 7}},
                                  order(data=[base64.b64encode(b"no audio").decode()])])
def test_bad_requests_are_told(ready, body):
    answer = infer(ready, body)
    assert answer.status == 400, answer.text
    assert list(answer.json()) == ["error"] and answer.json()["error"]


def test_unknown_models(ready):
    assert ready.request("/v2/models/nobody").status == 404
    assert ready.request("/v2/models/nobody/ready").status == 404
    assert infer(ready, order(), "/v2/models/nobody/infer").status == 404


def test_a_model_that_is_not_ready(fake):
    with fake("hang=load") as server:
        server.wait_for("→ LOADING")
        assert server.request("/v2/health/ready").status == 503
        assert server.request("/v2/models/default/ready").status == 503
        answer = infer(server, order())
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        assert server.request("/v2/repository/index", "POST", b"").json()[0]["state"] == "LOADING"


def test_the_repository_loads_and_unloads(fake):
    with fake("text=hello") as server:
        server.wait_ready()
        assert server.request("/v2/repository/index", "POST", b"{}").json() == [{"name": "default", "version": "1", "state": "READY", "reason": ""}]
        seen = len(server.lines)
        assert server.request("/v2/repository/models/default/unload", "POST", b"").status == 200
        server.wait_for("→ UNINITIALIZED", after=seen)
        assert server.request("/v2/repository/index", "POST", b"").json()[0]["state"] == "UNAVAILABLE"
        assert server.request("/v2/repository/models/default/load", "POST", b"").status == 200
        server.wait_for("→ READY", after=seen)
        assert server.request("/v2/repository/models/nobody/load", "POST", b"").status == 404


def test_keys(fake):
    with fake("text=hello", "--set", "server.api_keys=[\"secret\"]", "--set", "server.admin_key=root") as server:
        server.wait_ready()
        assert infer(server, order()).status == 401
        assert infer(server, order(), headers={"Authorization": "Bearer secret"}).status == 200
        assert server.request("/v2/repository/index", "POST", b"").status == 401
        assert server.request("/v2/repository/index", "POST", b"", {"Authorization": "Bearer root"}).status == 200
