"""Error answers, and fields of bodies."""

import json

from tests.upstream.demo.conftest import Asker
from upstream.demo.ground.refusals import Refusal, busy, detail, not_found, page


def test_a_refusal_is_json_with_its_status() -> None:
    refusal = Refusal(429, detail("wait", "model_cap_exceeded", clears_in=3), {"Retry-After": "3"})
    assert refusal.status == 429
    assert refusal.headers["Retry-After"] == "3"
    assert json.loads(refusal.text) == {
        "detail": {"message": "wait", "code": "model_cap_exceeded", "clears_in": 3}
    }


def test_other_shapes() -> None:
    assert detail("no") == {"detail": "no"}
    assert not_found("x").status == 404
    assert (busy("7").status, busy("7").headers["Retry-After"]) == (429, "7")
    assert page(503).content_type == "text/html"


async def test_a_body_that_begins_like_json_has_to_be_json(asker: Asker) -> None:
    for body, status in ((b"{", 400), (b' {"refresh_token": "a"}', 200), (b"refresh_token=a", 200)):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"{asker.base}/oauth/token"
        async with asker.session.post(url, data=body, headers=headers) as response:
            assert response.status == status
