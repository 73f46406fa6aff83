from collections import Counter
from typing import Any

from jsonschema import Draft202012Validator

from handlers.edge.not_offered import REASONS
from handlers.openapi.endpoints import ENDPOINTS, document
from handlers.openapi.schemas import references_in
from tests.handlers.conftest import Serve
from tests.rows import each_row

BASES = ("", "/secret")


def operations(base: str) -> list[dict[str, Any]]:
    return [each for path in document(base)["paths"].values() for each in path.values()]


async def test_the_description_is_served_with_the_address_that_was_used(serve: Serve) -> None:
    client = await serve()
    response = await client.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    body = await response.json()
    assert body["openapi"] == "3.1.0"
    assert body["servers"] == [{"url": str(client.make_url("")).rstrip("/")}]
    assert body.pop("servers")
    assert body == document("")


async def test_under_a_prefix_it_is_in_both_places(serve: Serve) -> None:
    client = await serve(
        server={"api_prefix": "secret", "public_url": "https://gw.example.org/below"}
    )
    for path in ("/openapi.json", "/secret/openapi.json"):
        body = await (await client.get(path)).json()
        assert body["servers"] == [{"url": "https://gw.example.org/below"}]
        assert "/secret/v1/chat/completions" in body["paths"]
        assert "/v1/chat/completions" not in body["paths"]


@each_row("base", BASES)
def test_every_reference_leads_somewhere(base: str) -> None:
    whole = document(base)
    assert set(references_in(whole)) <= set(whole["components"]["schemas"])
    for kind in ("responses", "headers"):
        named = _names(whole, f"#/components/{kind}/")
        assert named
        assert set(named) <= set(whole["components"][kind])


def _names(part: Any, start: str) -> list[str]:
    if isinstance(part, dict):
        return [name for value in part.values() for name in _names(value, start)]
    if isinstance(part, list):
        return [name for value in part for name in _names(value, start)]
    return [part.removeprefix(start)] if isinstance(part, str) and part.startswith(start) else []


def test_every_component_is_used_and_is_json_schema() -> None:
    whole = document("")
    schemas = whole["components"]["schemas"]
    used = set(references_in(whole["paths"])) | set(references_in(whole["components"]))
    assert used == set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@each_row("base", BASES)
def test_every_operation_has_a_name_of_its_own(base: str) -> None:
    names = Counter(each["operationId"] for each in operations(base))
    assert max(names.values()) == 1


def test_a_stream_is_described_by_its_events() -> None:
    streamed = {
        each["operationId"]
        for each in operations("")
        if "text/event-stream" in each["responses"]["200"].get("content", {})
    }
    assert streamed == {each.id for each in ENDPOINTS if each.events}
    assert {"createChatCompletion", "createCompletion", "createResponse"} <= streamed


BOTH_ERRORS = ["Error", "MessageError"]


def test_every_failure_has_the_error_object() -> None:
    for each in operations(""):
        for status, response in each["responses"].items():
            if int(status) >= 400 and (each["operationId"], status) != ("getReadiness", "503"):
                if each["tags"] == ["Models"]:  # told in the dialect that a header asks for
                    forms = response["content"]["application/json"]["schema"]["anyOf"]
                    assert [form["$ref"].rpartition("/")[2] for form in forms] == BOTH_ERRORS
                    continue
                name = "MessageError" if each["tags"] == ["Messages"] else "Error"
                assert response == {"$ref": f"#/components/responses/{name}{status}"}
    for error in document("")["components"]["responses"].values():
        assert error["content"]["application/json"]["schema"]["$ref"].endswith("Error")
        assert error["description"]


def test_what_is_not_offered_is_told_with_its_reason() -> None:
    assert document("/secret")["x-not-offered"] == {
        f"/secret/v1/{path}": reason for path, reason in REASONS.items()
    }
    assert document("")["tags"] == [
        {"name": tag} for tag in dict.fromkeys(each.tag for each in ENDPOINTS)
    ]
