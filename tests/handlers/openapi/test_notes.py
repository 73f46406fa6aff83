from handlers.openapi.notes import note


def test_a_note_is_a_description_with_its_demands() -> None:
    assert note("How many.", minimum=1) == {"description": "How many.", "minimum": 1}
