"""Keys that are limited to some models."""

import pytest
from msgspec import structs

from service.turns.model_permissions import PermittedTurns
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError
from service.vocabulary.requests import ChatRequest, Profile
from tests.handlers.scripted import ScriptedTurns
from tests.rows import each_row
from tests.sinks import Kept


def chat(model: str) -> ChatRequest:
    return ChatRequest("r", model, (), False, False, Profile.WEB, "http://gw", 0.0)


async def ran(model: str, *allowed: str) -> ScriptedTurns:
    turns = ScriptedTurns()
    credential = Credential("token", gateway_key="0" * 64, models=allowed)
    await PermittedTurns(turns).run(chat(model), credential, Kept())
    return turns


async def test_a_key_without_models_may_use_all() -> None:
    assert (await ran("anything")).requests


async def test_a_model_that_is_named_may_be_used() -> None:
    assert (await ran("gpt-4o", "o1-mini", "gpt-4o")).requests


async def test_the_name_that_was_asked_for_counts_and_not_what_stands_in_for_it() -> None:
    turns = ScriptedTurns()
    credential = Credential("token", models=("tts-1",))
    request = structs.replace(chat("gpt-3.5-turbo"), asked_model="tts-1")
    await PermittedTurns(turns).run(request, credential, Kept())
    assert turns.requests
    with pytest.raises(NotFoundError):
        await PermittedTurns(turns).run(
            structs.replace(request, asked_model="tts-2"), credential, Kept()
        )


@each_row("model", ["gpt-4", "GPT-4O", "gpt-4o ", "gpt-4o-mini", "", "x" * 9999])
async def test_for_another_model_nothing_is_run(model: str) -> None:
    turns = ScriptedTurns()
    credential = Credential("token", models=("gpt-4o",))
    with pytest.raises(NotFoundError, match="this key may use 'gpt-4o'") as caught:
        await PermittedTurns(turns).run(chat(model), credential, Kept())
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert len(caught.value.message) < 500
    assert turns.requests == []
