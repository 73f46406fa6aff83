from io import BytesIO

import pytest
from msgspec import Struct

from handlers.reading.json_body import converted, decode_json, given_names, quoted
from service.vocabulary.errors import RequestError
from tests.handlers.conftest import Serve
from tests.rows import each_row


class Inner(Struct):
    size: int
    names: list[str] = []


class Shape(Struct):
    text: str
    inner: Inner | None = None
    ratio: float | None = None


def refused(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode_json(body, Shape)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


@each_row(
    ("body", "param", "problem"),
    [
        (b"{}", "text", "text: this field is required."),
        (b'{"text":1}', "text", "text: expected a string, got an integer."),
        (b'{"text":true}', "text", "text: expected a string, got true or false."),
        (
            b'{"text":"","inner":{"size":"1"}}',
            "inner.size",
            "inner.size: expected an integer, got a string.",
        ),
        (b'{"text":"","inner":{}}', "inner.size", "inner.size: this field is required."),
        (
            b'{"text":"","inner":{"size":1,"names":["a",null]}}',
            "inner.names[1]",
            "inner.names[1]: expected a string, got null.",
        ),
        (b'{"text":"","inner":[]}', "inner", "inner: expected an object or null, got an array."),
        (b"[]", None, "The request body: expected an object, got an array."),
        (b'"x"', None, "The request body: expected an object, got a string."),
        (b"null", None, "The request body: expected an object, got null."),
        (b'{"text":"","ratio":1e999}', "ratio", "ratio: number out of range."),
    ],
)
def test_a_wrong_shape_names_the_path_and_what_was_expected(
    body: bytes, param: str | None, problem: str
) -> None:
    error = refused(body)
    assert (error.param, error.message) == (param, problem)


@each_row("size", ["5.0", "5e0", "50E-1", "5.000"])
def test_an_integer_may_be_written_with_a_point(size: str) -> None:
    body = f'{{"text":"","inner":{{"size":{size}}},"ratio":2.0}}'.encode()
    read = decode_json(body, Shape)
    assert read == Shape("", Inner(5), 2.0)
    assert read.inner is not None
    assert isinstance(read.inner.size, int)


@each_row("size", ["5.5", "1e-3", "1e300", "9007199254740994.0"])
def test_what_is_no_integer_stays_none(size: str) -> None:
    error = refused(f'{{"text":"","inner":{{"size":{size}}}}}'.encode())
    assert (error.param, error.message) == (
        "inner.size",
        "inner.size: expected an integer, got a number.",
    )


def test_a_number_is_held_to_its_range_beside_an_integer_with_a_point() -> None:
    assert "out of range" in refused(b'{"text":"","inner":{"size":5.0},"ratio":1e999}').message


@each_row("body", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_an_empty_body_says_so(body: bytes) -> None:
    assert "empty" in refused(body).message


@each_row(
    "body",
    [b"{", b"text=hello", b'{"text":"a"} x', b'{"text":NaN}', b"{'text': 'a'}", b'{"text":"\\ud8'],
)
def test_what_is_not_json_says_so(body: bytes) -> None:
    assert "not valid JSON" in refused(body).message


def test_what_is_not_utf_8_says_so() -> None:
    assert "UTF-8" in refused(b'{"text":"\xff"}').message


@each_row("field", [b"text", b"other"])
@each_row("text", [b"", b'"\\ud800",'])
def test_a_body_that_is_nested_without_end_is_refused(field: bytes, text: bytes) -> None:
    nested = b'{"a":[%b1],"%b":%b%b}' % (text, field, b"[" * 100_000, b"]" * 100_000)
    assert refused(nested).status == 400


def test_lone_surrogates_are_kept() -> None:
    assert decode_json(b'{"text":"a\\ud83d","x":"\\udc00"}', Shape).text == "a\ud83d"


def test_a_wrong_shape_beside_a_lone_surrogate_names_its_path_too() -> None:
    error = refused(b'{"text":"\\ud83d","inner":{"size":true}}')
    assert error.param == "inner.size"


@each_row("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_json_does_not_have_are_refused_beside_a_lone_surrogate(
    constant: bytes,
) -> None:
    assert "not valid JSON" in refused(b'{"text":"\\ud83d","ratio":%b}' % constant).message


def test_a_byte_order_mark_and_repeated_keys_are_accepted() -> None:
    assert decode_json(b'\xef\xbb\xbf{"text":"a","text":"b"}', Shape).text == "b"


def test_the_names_of_given_fields_leave_nulls_out() -> None:
    assert given_names(b'{"a":1,"b":null,"c":"null","d": null }') == ["a", "c"]
    assert given_names(b'\xef\xbb\xbf{"a":"\\ud800","\\ud800":1,"b":null}') == ["a", "\ud800"]


def test_a_name_that_nobody_knows_and_that_is_not_utf_8_is_refused() -> None:
    body = b'{"text":"a","\xff":1}'
    assert decode_json(body, Shape).text == "a"
    with pytest.raises(RequestError, match="UTF-8"):
        given_names(body)


def test_a_long_value_is_quoted_in_part() -> None:
    assert quoted("a" * 100) == repr("a" * 80 + "…")


def test_a_part_of_a_body_is_converted_or_named() -> None:
    assert converted({"size": 1}, Inner, "a[0]") == Inner(1)
    wrong: list[tuple[object, str]] = [
        ({}, "a[0].size"),
        ([], "a[0]"),
        ({"size": "1"}, "a[0].size"),
    ]
    for value, param in wrong:
        with pytest.raises(RequestError) as caught:
            converted(value, Inner, "a[0]")
        assert caught.value.param == param


def test_a_name_that_is_half_a_character_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        converted({"size": 1, "\ud83d": 1}, Inner, "a[0]")
    assert caught.value.param == "a[0]"


def test_a_list_in_a_part_has_no_dot_before_its_index() -> None:
    with pytest.raises(RequestError) as caught:
        converted([1], list[str], "a")
    assert caught.value.param == "a[0]"


CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"pad":['


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (CHAT + b"[]," * 99_990 + b'"' + b"x" * 1_000_000 + b'"]}', 200),
        (CHAT + b"1," * 199_980 + b'"' + b"x" * 1_000_000 + b'"]}', 200),
        (CHAT + b"1," * 200_000 + b'"' + b"x" * 1_000_000 + b'"]}', 400),
        (CHAT + b'"",' * 400_000 + b"1]}", 400),
        (CHAT + b'"' + b"[{," * 400_000 + b'"]}', 200),
        (CHAT + b"1," * 400_000 + b"1]}", 200),  # a body under a MiB is cheap anyway
    ],
)
async def test_the_values_of_a_long_body_are_counted(
    serve: Serve, body: bytes, status: int
) -> None:
    client = await serve()
    data, headers = BytesIO(body), {"Authorization": "Bearer fk-test"}
    async with client.post("/v1/chat/completions", data=data, headers=headers) as response:
        assert response.status == status, await response.text()
        if status == 400:
            assert "200000 values" in (await response.json())["error"]["message"]
