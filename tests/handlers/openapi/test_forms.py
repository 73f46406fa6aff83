from handlers.images.fields import HONOURED
from handlers.openapi.endpoints import document
from handlers.openapi.forms import FORMS


def test_a_form_of_pictures_has_the_fields_of_an_order_and_files() -> None:
    for name in ("ImageEditForm", "ImageVariationForm"):
        assert set(FORMS[name]["properties"]) >= HONOURED | {"image"}
    assert FORMS["ImageEditForm"]["required"] == ["image", "prompt"]
    assert FORMS["ImageVariationForm"]["required"] == ["image"]


def test_files_are_bytes_and_all_else_is_text() -> None:
    for form in FORMS.values():
        for name, schema in form["properties"].items():
            is_file = name in ("file", "image", "mask")
            assert (schema.get("items", schema).get("format") == "binary") is is_file


def test_every_form_is_asked_for() -> None:
    contents = [
        content
        for operations in document("")["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).items()
    ]
    forms = {schema["schema"]["$ref"] for kind, schema in contents if kind.startswith("multipart")}
    assert forms == {f"#/components/schemas/{name}" for name in FORMS}
