"""Error answers."""

import json

from upstream.demo.ground.refusals import Refusal, detail, not_found, page


def test_a_refusal_is_json_with_its_status() -> None:
    refusal = Refusal(429, detail("wait", "model_cap_exceeded", clears_in=3), {"Retry-After": "3"})
    assert refusal.status == 429
    assert refusal.headers["Retry-After"] == "3"
    assert json.loads(refusal.text) == {
        "detail": {"message": "wait", "code": "model_cap_exceeded", "clears_in": 3}
    }


def test_other_shapes() -> None:
    assert detail("no") == {"detail": "no"}
    assert not_found().status == 404
    assert page(503).content_type == "text/html"
