"""`POST /v1/responses/compact` on both upstreams, by the official SDK."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from service.turns.summaries import SUMMARY_REQUEST
from service.vocabulary.events import AnswerStarted, AnswerText
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, CUT, END, FACTS, Surroundings
from tests.upstream.demo.codex.client import CodexClient

TALK: list[Any] = [
    {"role": "user", "content": "My dog is called Rex."},
    {"role": "assistant", "content": "A good name."},
]
MODELS = {"codex": "gpt-6-sol", "website": "gpt-4o"}


class Party:
    """A caller with an account of one upstream."""

    def __init__(self, gateway: Gateway, key: str, model: str) -> None:
        self.gateway = gateway
        self.key = key
        self.model = model
        self.client = AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)

    async def compact(self, **body: Any) -> Any:
        return await self.client.responses.compact(model=self.model, **body)

    async def ask(self, given: Any, **body: Any) -> Any:
        return await self.client.responses.create(model=self.model, input=given, **body)


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, codex={"base_url": f"{demo}/backend-api/codex"})


@pytest.fixture(params=MODELS)
async def party(
    request: pytest.FixtureRequest, demo: str, gateway: Gateway
) -> AsyncIterator[Party]:
    key = ACCESS_TOKEN
    if request.param == "codex":
        account = CodexClient(gateway.session, demo, "anna")
        await account.exchange()
        key = f"codex:{account.access_token}"
    party = Party(gateway, key, MODELS[request.param])
    async with party.client:
        yield party


def given_back(compacted: Any) -> list[Any]:
    return [item.model_dump(exclude_none=True, warnings=False) for item in compacted.output]


async def test_its_items_stand_for_the_talk(party: Party) -> None:
    compacted = await party.compact(input=TALK, instructions="Be brief.")
    assert compacted.object == "response.compaction"
    assert compacted.id.startswith("resp_")
    assert compacted.created_at > 1_700_000_000
    assert compacted.usage.total_tokens > compacted.usage.input_tokens > 0
    assert compacted.usage.estimated is True
    *_, last = compacted.output
    assert (last.type, last.id[:4]) == ("compaction", "cmp_")
    assert "Rex" not in last.encrypted_content
    question = {"role": "user", "content": "What is it called?"}
    answer = await party.ask([*given_back(compacted), question])
    told = "Demo summary" if party.model == "gpt-6-sol" else "given as this summary"
    assert told in answer.output_text
    assert await party.gateway.outcomes() == {"complete": 2}


async def test_a_kept_response_is_compacted_with_all_before_it(party: Party) -> None:
    first = await party.ask("My dog is called Rex.")
    second = await party.ask("It is old.", previous_response_id=first.id)
    compacted = await party.compact(previous_response_id=second.id)
    assert compacted.output[-1].type == "compaction"
    if party.model == "gpt-6-sol":
        texts = [part.text for item in compacted.output[:-1] for part in item.content]
        assert texts == ["My dog is called Rex.", "It is old."]


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({}, "input", 400),
        ({"input": []}, "input", 400),
        ({"input": [{"role": "user"}]}, "input[0].content", 400),
        ({"input": "Hi", "previous_response_id": "resp_x"}, "previous_response_id", 404),
        ({"input": "Hi", "extra_body": {"stream": True}}, "stream", 400),
    ],
)
async def test_bad_input_is_refused_by_name(
    party: Party, body: dict[str, Any], param: str, status: int
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await party.compact(**body)
    assert (caught.value.param, caught.value.status_code) == (param, status)


async def test_what_has_no_effect_is_named(party: Party) -> None:
    raw = await party.client.responses.with_raw_response.compact(
        model=party.model, input="Hi", service_tier="flex", prompt_cache_key="k"
    )
    ignored = raw.headers["x-ignored-fields"].split(", ")
    assert ("prompt_cache_key" in ignored) is (party.model == "gpt-4o")
    assert "service_tier" in ignored


async def test_a_compaction_goes_nowhere_else(demo: str, gateway: Gateway) -> None:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=ACCESS_TOKEN) as website:
        compacted = await website.responses.compact(model="gpt-4o", input=TALK)
    account = CodexClient(gateway.session, demo, "anna")
    await account.exchange()
    for key, model in ((f"codex:{account.access_token}", "gpt-6-sol"), ("fk-other", "gpt-4o")):
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as other:
            items = [*given_back(compacted), {"role": "user", "content": "So?"}]
            with pytest.raises(openai.BadRequestError) as caught:
                await other.responses.create(model=model, input=items)
            assert caught.value.param == "input[0]"


async def test_the_website_is_asked_for_a_summary_in_words(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[FACTS, AnswerStarted("m"), AnswerText("A dog, Rex."), END]]
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    body = {"model": "gpt-4o", "input": TALK, "tools": tools, "text": {"format": {"type": "text"}}}
    client = await serve()
    response = await client.post("/v1/responses/compact", json=body, headers=BEARER)
    assert response.status == 200
    [(chat, _)] = around.turns.requests
    assert chat.messages[-1].text == SUMMARY_REQUEST
    assert chat.messages[0].text == "My dog is called Rex."
    assert (chat.demand, chat.is_stream, chat.is_compaction) == (None, False, False)


@pytest.mark.parametrize(("script", "status"), [([[FACTS, END]], 502), ([[FACTS, CUT]], 502)])
async def test_without_a_summary_it_fails(
    serve: Serve, around: Surroundings, script: Any, status: int
) -> None:
    around.turns.script = script
    body = {"model": "gpt-4o", "input": "Hi"}
    client = await serve()
    response = await client.post("/v1/responses/compact", json=body, headers=BEARER)
    assert response.status == status
    assert (await response.json())["error"]["message"]
