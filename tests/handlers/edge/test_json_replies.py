import json

from handlers.edge.json_replies import error_response, json_response
from service.vocabulary.events import Failure


def test_json_is_typed_and_safe() -> None:
    response = json_response({"a": "\ud800é"}, headers={"x-a": "b"})
    assert response.content_type == "application/json"
    assert response.headers["x-a"] == "b"
    assert json.loads(response.body) == {"a": "\ud800é"}


def test_an_error_has_its_status_its_wait_and_the_text_that_arrived() -> None:
    response = error_response(Failure(429, "Wait.", "t", "c", "p", 1.5), "Once")
    assert response.status == 429
    assert response.headers["Retry-After"] == "2"
    fields = {"message": "Wait.", "type": "t", "param": "p", "code": "c", "partial": "Once"}
    assert json.loads(response.body) == {"error": fields}
