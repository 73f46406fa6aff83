"""Bodies of a fixed form."""

import json

from upstream.demo.website.bodies import BODIES, always, answer, body


def test_names_are_filled_in() -> None:
    assert body("no_link", code="x") == {
        "status": "error",
        "error_code": "x",
        "error_message": None,
    }
    assert json.loads(answer("no_link", code="x").text or "") == body("no_link", code="x")


async def test_some_answers_are_always_the_same() -> None:
    response = await always("limit")(None)  # type: ignore[arg-type]
    assert json.loads(response.text) == BODIES["limit"]
