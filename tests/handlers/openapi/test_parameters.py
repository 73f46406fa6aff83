from handlers.openapi.parameters import page_limit, path_id


def test_a_page_has_its_default_and_a_most() -> None:
    assert page_limit(20, 100).schema == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 20,
    }


def test_what_a_path_names_is_not_empty() -> None:
    assert (path_id("An id.").place, path_id("An id.").schema["minLength"]) == ("path", 1)
