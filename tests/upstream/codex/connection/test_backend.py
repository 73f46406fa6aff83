"""Calls to a scripted back end: what is sent, what is tried again, what a refusal becomes."""

import pytest

from service.settings.config import UpstreamConfig
from service.upstream_errors.codex_refusals import CodexRefusedError
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import UpstreamUnreachableError
from tests.scripted_codex import ScriptedCodex, token_of
from tests.scripted_upstream import Abort
from tests.upstream.line.readers import read_body
from upstream.codex.connection.backend import Call, CodexBackend
from upstream.line.answer_body import AnswerBody

CALLER = Caller(token_of("acc-1"), "acc-1", "a")
MODELS = Call("GET", "models", params={"client_version": "9"})
DRAW = Call("POST", "images/generations", data=b'{"prompt":"a boat"}')
FEDRAMP = {
    "chatgpt_account_id": "acc-1",
    "chatgpt_account_is_fedramp": True,
}


async def test_a_call_goes_under_our_own_name_for_its_account(codex, backend) -> None:
    answer = await backend.call(CALLER, MODELS)
    assert answer.body is not None
    assert answer.body["models"][0]["slug"] == "gpt-6-sol"
    (request,) = codex.lists
    assert request.query["client_version"] == "9"
    assert request.headers["Authorization"] == f"Bearer {CALLER.access_token}"
    assert request.headers["ChatGPT-Account-Id"] == "acc-1"
    assert request.headers["originator"] == "backend-to-v1"
    assert "Cookie" not in request.headers


def test_an_account_of_the_government_has_its_header(backend: CodexBackend) -> None:
    caller = Caller(token_of(**{"https://api.openai.com/auth": FEDRAMP}), None, "a")
    headers = backend.headers_for(caller)
    assert headers["X-OpenAI-Fedramp"] == "true"
    assert "ChatGPT-Account-Id" not in headers
    assert "X-OpenAI-Fedramp" not in backend.headers_for(CALLER)


def test_a_path_may_stand_beside_the_base(codex: ScriptedCodex, backend: CodexBackend) -> None:
    assert str(backend.url("models")) == f"{codex.url}/backend-api/codex/models"
    assert str(backend.url("../wham/usage")) == f"{codex.url}/backend-api/wham/usage"


async def test_what_has_not_changed_has_no_body(codex, backend) -> None:
    call = Call("GET", "models", headers={"If-None-Match": codex.etag})
    answer = await backend.call(CALLER, call)
    assert (answer.status, answer.body) == (304, None)


async def test_a_good_answer_shows_that_the_caller_is_accepted(codex, backend) -> None:
    accepted: list[Caller] = []
    backend.http.watch(accepted.append)
    codex.models_status = 403
    with pytest.raises(CodexRefusedError):
        await backend.call(CALLER, MODELS)
    assert accepted == []
    codex.models_status = 200
    await backend.call(CALLER, MODELS)
    assert accepted == [CALLER]


async def test_what_changes_nothing_is_asked_again_and_nothing_else(codex, backend) -> None:
    codex.models_status = 502
    with pytest.raises(CodexRefusedError):
        await backend.call(CALLER, MODELS)
    assert len(codex.lists) == 3
    codex.refuses(502, detail="broken")
    with pytest.raises(CodexRefusedError):
        await backend.call(CALLER, DRAW)
    assert len(codex.posts) == 1


@pytest.mark.parametrize(
    "answer", [b'{"error": {"message": "No."}}', b'{"detail": "No."}', b"[]", b"plain words"]
)
async def test_what_is_no_good_object_is_a_refusal_under_any_status(codex, backend, answer) -> None:
    codex.plays(answer)
    with pytest.raises(CodexRefusedError):
        await backend.call(CALLER, DRAW)


async def test_a_stream_needs_no_content_type(codex, backend) -> None:
    codex.plays(b"data: {}\n\n")
    response = await backend.open(CALLER, "responses", b"{}", {"x": "y"}, 5)
    assert (await read_body(AnswerBody(response, UpstreamConfig()))).data == b"data: {}\n\n"
    assert codex.posts[0].headers["x"] == "y"
    assert codex.posts[0].headers["Accept-Encoding"] == "identity"


async def test_a_page_is_no_stream(codex, backend) -> None:
    codex.plays(b"<html>", content_type="text/html")
    with pytest.raises(CodexRefusedError) as caught:
        await backend.open(CALLER, "responses", b"{}", {}, 5)
    assert (caught.value.status, caught.value.is_page) == (502, True)


async def test_a_broken_connection_is_an_error_of_ours(codex, backend) -> None:
    codex.plays(Abort())
    with pytest.raises(UpstreamUnreachableError):
        await backend.call(CALLER, DRAW)


async def test_headers_and_cookies_of_each_answer_are_heard(codex, backend) -> None:
    heard: list[tuple[str, str]] = []
    backend.watch(lambda caller, headers: heard.append((caller.account, headers["X-Seen"])))
    codex.plays(b"{}", Set_Cookie="__cf_bm=one", X_Seen="1")
    await backend.call(CALLER, DRAW)
    await backend.call(CALLER, DRAW)
    assert heard == [("a", "1"), ("a", "1")]
    assert [post.headers.get("Cookie") for post in codex.posts] == [None, "__cf_bm=one"]
