from service.upstream_errors.error_bodies import fault_of
from tests.rows import each_row


@each_row(
    ("body", "words", "code"),
    [
        ({"detail": "plain words"}, "plain words", None),
        ({"detail": {"message": "m", "code": "c"}}, "m", "c"),
        ({"detail": {"description": "d"}}, "d", None),
        ({"detail": {"error": {"message": "deep", "code": "c"}}}, "deep", "c"),
        (
            {"detail": [{"loc": ["body", "messages", 0], "msg": "field required", "type": "x"}]},
            "body.messages.0: field required",
            None,
        ),
        ({"detail": ["one", "two"]}, "one; two", None),
        ({"error": "text"}, "text", None),
        ({"error": {"message": "m", "code": "c"}}, "m", "c"),
        ({"error": {"error": {"message": "m", "code": "c"}}}, "m", "c"),
        ({"message": None, "error": "x", "error_code": "c"}, "x", "c"),
        ({"error": {"message": "m", "code": None}, "error_code": "later"}, "m", "later"),
        ({"detail": {"code": "first"}, "error": {"code": "second", "message": "m"}}, "m", "first"),
        ({"detail": {"code": "not a code!", "message": "m"}}, "m", None),
        ({"detail": {"code": 7, "message": ["m"]}}, "", None),
        ({}, "", None),
    ],
)
def test_every_shape_of_an_error_object_is_read(body, words, code):
    fault = fault_of(body)
    assert (fault.words, fault.code) == (words, code)


@each_row("clears_in", [True, "soon", None, [], float("1e400")])
def test_a_clears_in_that_is_no_number_is_no_limit(clears_in):
    assert fault_of({"detail": {"clears_in": clears_in}}).clears_in_seconds is None
