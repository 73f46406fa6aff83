"""What clients require of answers and errors: the requirements of openai-wire 11, by their numbers."""

import base64
import io
import json
import re
from typing import Any

import pytest
from aiohttp import FormData
from PIL import Image

from service.keys import CONFIG
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read

BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
LIMITED = ("/fault 429", "/fault 429 5", "/fault 429string")


async def call(
    gateway: Gateway, method: str, path: str, headers: dict[str, str] | None = None, **given: Any
) -> Answer:
    async with gateway.session.request(
        method, gateway.url + path, headers=BEARER if headers is None else headers, **given
    ) as response:
        return await read(response)


def asking(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(made, "PNG")
    return made.getvalue()


def is_error_object(body: Any) -> bool:
    error = body["error"]
    assert set(error) <= {"message", "type", "param", "code", "partial"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    return all(error[key] is None or isinstance(error[key], str) for key in ("param", "code"))


# --- whole answers --------------------------------------------------------------------


@pytest.mark.parametrize(
    "question", ["Hello", "emoji", "think about boats", "draw a boat of 64x64"]
)
async def test_rule_11_usage_is_there_and_never_zero(question: str, gateway: Gateway) -> None:
    usage = (await gateway.chat(question)).json["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize(
    "question", ["Hello", "token limit", "moderation", "run code for 6*7", "call an action"]
)
async def test_rule_48_a_finish_reason_is_one_of_the_official_five(
    question: str, gateway: Gateway
) -> None:
    for is_stream in (True, False):
        assert (await gateway.chat(question, stream=is_stream)).finish in REASONS


async def test_rule_49_details_are_integers(gateway: Gateway) -> None:
    body = (await gateway.chat("think about boats")).json
    assert body["system_fingerprint"].startswith("fp_")
    for details in ("prompt_tokens_details", "completion_tokens_details"):
        for value in body["usage"].get(details, {}).values():
            assert isinstance(value, int)
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_rule_52_a_whole_answer_is_had_from_every_model(gateway: Gateway) -> None:
    listed = (await call(gateway, "GET", "/v1/models")).json["data"]
    assert len(listed) > 2
    for model in listed:
        answer = await gateway.chat("Hello", model=model["id"])
        assert answer.status == 200
        assert answer.text


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    ["/fault 401", "/fault 403html", "/fault 404", "/fault 413", "/fault 429 5", "/fault 500"],
)
async def test_rule_17_an_error_has_four_keys_of_the_right_types(
    question: str, gateway: Gateway
) -> None:
    for is_stream in (True, False):
        answer = await gateway.chat(question, stream=is_stream)
        assert answer.status >= 400
        assert is_error_object(answer.json)
        assert answer.json["error"].keys() == {"message", "type", "param", "code"}


async def test_rule_19_401_is_only_for_the_caller_s_own_key(gateway: Gateway) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer "}):
        answer = await call(gateway, "POST", "/v1/chat/completions", headers, json={"messages": []})
        assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
    dead = await gateway.chat("Hello", token="dead-token")
    assert (dead.status, dead.json["error"]["code"]) == (401, "invalid_api_key")
    for fault in ("/fault 403html", "/fault 403", "/fault 500", "/fault 503"):
        assert (await gateway.chat(fault)).status in (502, 503)


async def test_rule_20_passing_errors_do_not_speak_of_money_or_permission(
    gateway: Gateway,
) -> None:
    for fault in (*LIMITED, "/fault 500", "/fault 503", "/fault 403html", "/fault empty"):
        answer = await gateway.chat(fault)
        own, _, _quoted = answer.json["error"]["message"].partition("It said:")
        assert not re.search(r"(?i)credit|balance|permission denied|quota", own)


async def test_rule_21_an_unknown_model_is_a_404_however_it_is_asked(gateway: Gateway) -> None:
    for is_stream in (True, False):
        answer = await gateway.chat(model="no-such-model", stream=is_stream)
        assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
        assert "gpt-4o" in (await gateway.chat(model="gpt-4oo")).json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"", None),
        (b"\xff", None),
        (b'{"model": "gpt-4o"}', "messages"),
        (b'{"model": "gpt-4o", "messages": []}', "messages"),
        (b'{"model": "gpt-4o", "messages": "Hello"}', "messages"),
        (b'{"model": 1, "messages": [{"role": "user", "content": "Hi"}]}', "model"),
        (
            b'{"model": "gpt-4o", "messages": [{"role": "user", "content": 1}]}',
            "messages[0].content",
        ),
        (b'{"stream": "yes", "messages": [{"role": "user", "content": "Hi"}]}', "stream"),
        (
            b'{"model": "gpt-4o", "messages": [{"role": "pope", "content": "Hi"}]}',
            "messages[0].role",
        ),
        (b'{"max_tokens": "5", "messages": [{"role": "user", "content": "Hi"}]}', "max_tokens"),
    ],
)
async def test_rule_22_a_wrong_request_is_a_400_that_names_the_place(
    body: bytes, param: str | None, gateway: Gateway
) -> None:
    answer = await call(gateway, "POST", "/v1/chat/completions", data=body)
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert is_error_object(answer.json)
    if param is not None:
        assert answer.json["error"]["param"] == param


async def test_rule_23_what_will_not_pass_is_never_tried_again(gateway: Gateway) -> None:
    retried = {408, 409, 429, *range(500, 600)}
    for fault in ("/fault 404", "/fault 404model", "/fault 413", "/fault 422"):
        assert (await gateway.chat(fault)).status not in retried
    for body in ({"n": 2}, {"model": "no-such-model"}, {"messages": []}, {"logprobs": True}):
        assert (await gateway.chat(**body)).status not in retried


async def test_rule_24_a_long_wait_is_not_slept_through(gateway: Gateway) -> None:
    long = await gateway.chat("/fault 429 3600")
    assert long.status == 429
    assert int(long.headers["Retry-After"]) > 60
    assert long.headers["x-should-retry"] == "false"
    short = await gateway.chat("/fault 429 30")
    assert 0 < int(short.headers["Retry-After"]) <= 60
    assert short.headers.get("x-should-retry") != "false"


async def test_rule_36_an_overflow_is_told_in_the_words_that_clients_know(gateway: Gateway) -> None:
    answer = await gateway.chat("/fault 413")
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (400, "context_length_exceeded")
    for phrase in (
        "This model's maximum context length is",
        "context_length_exceeded",
        "exceeds the context window",
    ):
        assert phrase in error["message"]


WRONG: list[dict[str, Any]] = [
    asking({"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}),
    asking({"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x.png"}}),
    asking({"type": "file", "file": {}}),
    asking({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
    {"n": 3},
    {"temperature": 3},
    {"modalities": ["text", "audio"]},
    {"max_tokens": 0},
]


@pytest.mark.parametrize("body", WRONG, ids=str)
async def test_rule_37_other_400s_are_not_taken_for_an_overflow_or_a_broken_history(
    body: dict[str, Any], gateway: Gateway
) -> None:
    answer = await gateway.chat(**body)
    assert answer.status == 400
    said = answer.json["error"]["message"].lower()
    for phrase in ("too large", "context window", "not found", "must have", "tool_call_id"):
        assert phrase not in said
    assert "429" not in said
    assert "rate limit" not in said


# --- requests -------------------------------------------------------------------------


async def test_rule_31_all_that_clients_send_is_accepted(gateway: Gateway) -> None:
    call_made = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Formatting re-enabled"},
        {"role": "system", "content": [{"type": "text", "text": "Be short."}]},
        {"role": "user", "name": "ada", "content": "What is 6*7?"},
        {"role": "assistant", "content": None, "tool_calls": [call_made]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
        {"role": "function", "name": "f", "content": "42"},
        {"role": "assistant", "content": "42", "reasoning_content": "Hm.", "annotations": []},
        {"role": "assistant", "content": "It", "prefix": True},
        {"role": "user", "content": [{"type": "text", "text": "And 6*8?"}], "x": {"y": [1]}},
    ]
    extras: dict[str, Any] = {
        "temperature": 0,
        "top_p": 1,
        "presence_penalty": 0.5,
        "frequency_penalty": 0,
        "max_tokens": 4000,
        "user": "lobe",
        "metadata": {"a": "b"},
        "store": False,
        "seed": 1,
        "stop": None,
        "logprobs": False,
        "logit_bias": {},
        "parallel_tool_calls": True,
        "service_tier": "auto",
        "modalities": ["text"],
        "reasoning_effort": "low",
        "verbosity": "low",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "response_format": {"type": "text"},
        "stream_options": None,
        "tools": None,
        "vendor": {"deep": [{}]},
    }
    for is_stream in (True, False):
        answer = await gateway.chat(messages=messages, stream=is_stream, **extras)
        assert answer.status == 200, answer.body
        assert "48" in answer.text


async def test_rule_32_a_picture_comes_as_a_data_url_and_bad_base64_is_a_400(
    gateway: Gateway,
) -> None:
    def part(data: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    good = base64.b64encode(picture()).decode()
    assert (await gateway.chat(**asking(part(good)))).status == 200
    for bad in ("%%%", good[:-3] + "*", "A"):
        answer = await gateway.chat(**asking({"type": "text", "text": "?"}, part(bad)))
        assert answer.status == 400
        assert answer.json["error"]["param"].startswith("messages[0].content[1]")


async def test_rule_33_a_pdf_comes_as_file_data_and_audio_is_refused_cleanly(
    gateway: Gateway,
) -> None:
    data = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}
    answer = await gateway.chat(**asking({"type": "text", "text": "What is it?"}, file))
    assert "a.pdf" in answer.text
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    refused = await gateway.chat(**asking(sound))
    assert refused.status == 400
    assert "audio" in refused.json["error"]["message"]


async def test_rule_34_more_than_one_choice_is_refused(gateway: Gateway) -> None:
    answer = await gateway.chat(n=2)
    assert (answer.status, answer.json["error"]["param"]) == (400, "n")
    for n in (1, None):
        assert len((await gateway.chat(n=n)).json["choices"]) == 1


# --- HTTP -----------------------------------------------------------------------------


async def test_rule_27_a_browser_may_ask_from_anywhere(gateway: Gateway) -> None:
    wanted = "authorization, content-type, x-stainless-os, x-stainless-brand-new"
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": wanted,
    }
    allowed = await call(gateway, "OPTIONS", "/v1/chat/completions", asked)
    assert allowed.status == 204
    assert allowed.headers["Access-Control-Allow-Headers"] == wanted
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    origin = {"Origin": "https://app.example"}
    answers = [
        allowed,
        await gateway.chat(stream=True, headers=origin),
        await gateway.chat(headers=origin),
        await gateway.chat("/fault 500", headers=origin),
        await call(gateway, "GET", "/nowhere", origin),
        await call(gateway, "POST", "/v1/chat/completions", origin),
    ]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example")
    exposed = answers[1].headers["Access-Control-Expose-Headers"].lower()
    assert "x-request-id" in exposed


async def test_rule_28_every_answer_names_its_request(gateway: Gateway) -> None:
    answers = [
        await gateway.chat(),
        await gateway.chat(stream=True),
        await gateway.chat("/fault 500"),
        await call(gateway, "GET", "/v1/models"),
        await call(gateway, "GET", "/nowhere"),
        await call(gateway, "PUT", "/v1/models"),
        await call(gateway, "GET", "/healthz"),
    ]
    names = {answer.headers["x-request-id"] for answer in answers}
    assert len(names) == len(answers)
    own = await gateway.chat(headers={"x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"


async def test_rule_29_a_large_body_is_taken_and_a_larger_one_told_so(
    demo: str, start_gateway: StartGateway, gateway: Gateway
) -> None:
    assert gateway.app[CONFIG].server.max_body_bytes >= 32 << 20
    data = base64.b64encode(picture() + bytes(3 << 20)).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    body = json.dumps({"model": "gpt-4o", **asking(part)}).encode()
    strict = await start_gateway(demo, server={"max_body_bytes": 1 << 20})
    taken, refused = [
        await call(one, "POST", "/v1/chat/completions", data=io.BytesIO(body))
        for one in (gateway, strict)
    ]
    assert taken.status == 200
    assert refused.status == 413
    assert is_error_object(refused.json)


async def test_rule_30_unknown_paths_and_methods_are_told_in_json(gateway: Gateway) -> None:
    for path in ("/nowhere", "/v1", "/v1/nowhere", "/v1/chat/completions/x"):
        answer = await call(gateway, "GET", path)
        assert answer.status == 404
        assert is_error_object(answer.json)
    wrong = await call(gateway, "GET", "/v1/chat/completions")
    assert wrong.status == 405
    assert "POST" in wrong.headers["Allow"]
    assert is_error_object(wrong.json)


async def test_rule_38_the_list_of_models_has_integers_and_no_nulls(gateway: Gateway) -> None:
    body = (await call(gateway, "GET", "/v1/models")).json
    assert body["object"] == "list"
    for model in body["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert isinstance(model["id"], str)
        assert isinstance(model["owned_by"], str)
        assert None not in model.values()
    assert len({model["id"] for model in body["data"]}) == len(body["data"])


async def test_rule_39_a_model_s_name_may_have_an_encoded_slash(gateway: Gateway) -> None:
    for path in ("/v1/models/org%2Fmodel", "/v1/models/org/model"):
        answer = await call(gateway, "GET", path)
        assert (answer.status, answer.json["id"]) == (200, "org/model")


async def test_rule_47_nothing_redirects_and_accept_decides_nothing(gateway: Gateway) -> None:
    for accept in ("application/json", "text/event-stream", "application/octet-stream", "*/*"):
        headers = {"Accept": accept}
        stream = await gateway.chat(stream=True, headers=headers)
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        whole = await gateway.chat(headers=headers)
        assert whole.headers["Content-Type"].startswith("application/json")
    for path in ("/v1/models/", "//v1/models", "/v1/chat/completions/"):
        async with gateway.session.get(gateway.url + path, allow_redirects=False) as response:
            assert response.status == 404


async def test_rule_50_the_key_may_be_in_api_key(gateway: Gateway) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "6*7"}]}
    headers = {"api-key": ACCESS_TOKEN}
    answer = await call(gateway, "POST", "/v1/chat/completions", headers, json=body)
    assert answer.status == 200
    assert answer.text.endswith("42")


# --- pictures -------------------------------------------------------------------------

ORDER = {"prompt": "a boat", "size": "64x64"}


async def test_rule_40_the_form_of_a_picture_is_the_one_asked_for(gateway: Gateway) -> None:
    async def keys(**fields: Any) -> set[str]:
        answer = await call(gateway, "POST", "/v1/images/generations", json=ORDER | fields)
        assert answer.status == 200, answer.body
        assert isinstance(answer.json["created"], int)
        return set(answer.json["data"][0]) - {"revised_prompt"}

    assert await keys(model="dall-e-3") == {"url"}
    assert await keys() == {"url"}
    assert await keys(model="gpt-image-1") == {"b64_json"}
    assert await keys(model="gpt-image-1", response_format="url") == {"url"}
    assert await keys(model="dall-e-3", response_format="b64_json") == {"b64_json"}


async def test_rule_41_a_picture_opens_without_the_key(gateway: Gateway) -> None:
    answer = await call(gateway, "POST", "/v1/images/generations", json=ORDER)
    async with gateway.session.get(answer.json["data"][0]["url"]) as response:
        assert response.status == 200
        assert response.content_type == "image/png"
        assert (await response.read()).startswith(b"\x89PNG")


async def test_rule_42_pictures_to_edit_come_under_either_name(gateway: Gateway) -> None:
    for names in (["image"], ["image[]", "image[]"]):
        form = FormData({"prompt": "add a hat", "n": "2", "size": "64x64", "stream": "false"})
        for name in names:
            form.add_field(name, picture(), filename="a.png", content_type="image/png")
        answer = await call(gateway, "POST", "/v1/images/edits", data=form)
        assert answer.status == 200, answer.body
        assert len(answer.json["data"]) == 2
    body = {"prompt": "x", "images": [{"image_url": "https://a.example/x.png"}]}
    assert (await call(gateway, "POST", "/v1/images/edits", json=body)).status in (200, 400, 415)
