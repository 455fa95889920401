"""The OpenAPI document: whole, valid, and true."""

import json
import re
from importlib.metadata import version
from uuid import uuid4

import pytest
from fastapi.openapi.models import OpenAPI

EXPECTED = {
    "/vms": {"get", "post"},
    "/vms/{vm_id}": {"get", "patch", "delete"},
    "/vms/{vm_id}/start": {"post"},
    "/vms/{vm_id}/stop": {"post"},
    "/vms/{vm_id}/restart": {"post"},
    "/vms/{vm_id}/events": {"get"},
    "/vms/{vm_id}/explain": {"get"},
    "/vms/{vm_id}/interruption-history": {"get"},
    "/reservations": {"get"},
    "/reservations/calculate": {"post"},
    "/reservations/{reservation_id}": {"get"},
    "/reservations/{reservation_id}/cancel": {"post"},
    "/billing/current-spend": {"get"},
    "/billing/usage": {"get"},
    "/ssh-keys": {"get", "post"},
    "/ssh-keys/{key_id}": {"get", "delete"},
    "/auth/api-key": {"post"},
    "/api-keys": {"get"},
    "/api-keys/{key_id}": {"delete"},
    "/templates": {"get"},
    "/nodes": {"get"},
    "/search": {"get"},
    "/pricing": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}
PUBLIC = {"/search", "/pricing", "/healthz", "/readyz", "/metrics"}


@pytest.fixture
def document(contract):
    return contract.document


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_valid_and_names_the_package(document):
    OpenAPI.model_validate(document)
    assert document["info"]["title"] == "Innkeeper"
    assert document["info"]["version"] == version("innkeeper")


def test_it_lists_all_calls_and_no_other(document):
    assert {path: set(methods) for path, methods in document["paths"].items()} == EXPECTED


def test_it_says_which_calls_need_a_credential(document):
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, _, operation in operations(document):
        assert ("security" in operation) is (path not in PUBLIC)
        assert ("401" in operation["responses"]) is (path not in PUBLIC)


def test_each_error_has_one_of_two_shapes(document):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                (body,) = response["content"].values()
                shape = "ValidationFailed" if status == "422" else "Error"
                assert body["schema"] == {"$ref": f"#/components/schemas/{shape}"}, (path, method, status)


def test_each_success_has_a_declared_shape(document):
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status in ("200", "201") and path != "/metrics":
                assert response["content"]["application/json"]["schema"]


def test_references_lead_somewhere(document):
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_a_new_vm_is_described_with_its_rules_and_an_example(document):
    rules = document["components"]["schemas"]["VmRequest"]["properties"]
    assert rules["gpu_count"]["enum"] == [1, 2, 4, 8]
    assert rules["storage_gb"]["minimum"] == 50
    post = document["paths"]["/vms"]["post"]
    assert "Location" in post["responses"]["201"]["headers"]
    (example,) = post["requestBody"]["content"]["application/json"]["examples"].values()
    assert set(example["value"]) <= set(rules)


def test_the_example_is_accepted(document, caller):
    (example,) = document["paths"]["/vms"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ].values()
    assert caller("POST", "/vms", json=example["value"]).status_code == 201


def test_the_example_ssh_key_is_accepted(document, caller):
    text = document["components"]["schemas"]["SshKeyBody"]["properties"]["ssh_public_key"]["examples"][0]
    assert caller("POST", "/ssh-keys", json={"ssh_public_key": text}).status_code == 201


def test_each_call_answers_errors_as_it_promises(document, client, caller, contract):
    """The client holds every answer against the document; here every call meets every common error."""
    for path, method, operation in operations(document):
        promised = {int(status) for status in operation["responses"]}
        if path not in PUBLIC:
            assert client.request(method, path).status_code == 401
        if "{" in path:
            unknown = re.sub(r"\{\w+\}", str(uuid4()), path)
            assert caller(method, unknown).status_code == 404
            assert caller(method, re.sub(r"\{\w+\}", "7", path)).status_code == 422
        if method == "post" and "requestBody" in operation:
            assert caller(method, path, json=[]).status_code == 422
            assert caller(method, path, content=b"x" * 70_000).status_code == 413
        assert {500, 503} <= promised or path == "/healthz"
    assert {(m, p) for m, p, status in contract.seen if status == "401"} >= {
        (method.upper(), path) for path, method, _ in operations(document) if path not in PUBLIC
    }


def test_the_document_is_served(client, document):
    assert client.get("/openapi.json").json() == json.loads(json.dumps(document))


def test_docs_are_served_in_one_form(client):
    assert client.get("/docs").status_code == 200
    assert client.get("/redoc").status_code == 404
