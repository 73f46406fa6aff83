"""Names of models, and what they stand for."""

import pytest

from service.settings.config import Config, ModelConfig, default_models
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import NOT_OFFERED, NotFoundError
from tests.scripted_codex import token_of
from upstream.codex.account.catalogue import CodexLists
from upstream.codex.account.models import IMAGE_MODELS, CodexModels, names_in

CALLER = Caller(token_of("acc-1", "plus"), "acc-1", "a")
FREE = Caller(token_of("acc-2", "free"), "acc-2", "b")
CONFIG = Config(
    codex={"models": {"best": "gpt-6-sol", "old": "gpt-5"}},
    models={**default_models(), "mine": ModelConfig(slug="gpt-6-lite")},
)


@pytest.fixture
def models(backend) -> CodexModels:
    return CodexModels(names_in(CONFIG), CodexLists(backend, "9"))


@pytest.mark.parametrize(
    ("name", "slug", "effort"),
    [
        ("gpt-6-sol", "gpt-6-sol", ""),
        ("gpt-6-hidden", "gpt-6-hidden", ""),
        ("gpt-6-sol-high", "gpt-6-sol", "high"),
        ("gpt-6-sol-ultra", "gpt-6-sol", "ultra"),
        ("gpt-6-sol-2026-11-01", "gpt-6-sol", ""),
        ("best", "gpt-6-sol", ""),
        ("old", "gpt-5", ""),
        ("mine", "gpt-6-lite", ""),
        ("gpt-4o", "gpt-6-sol", ""),
        ("gpt-4o-2024-08-06", "gpt-6-sol", ""),
    ],
)
async def test_a_name_stands_for_a_model_and_maybe_for_an_effort(models, name, slug, effort):
    asked = await models.resolve(name, CALLER)
    assert (asked.model.slug, asked.effort) == (slug, effort)


async def test_what_a_model_can_is_known_by_any_of_its_names(models):
    assert (await models.resolve("mine", CALLER)).model.is_lite
    assert (await models.resolve("best", CALLER)).model.efforts == ("low", "medium", "high")


async def test_an_unknown_name_is_told_with_the_closest_ones(models):
    with pytest.raises(NotFoundError, match="gpt-6-sol") as caught:
        await models.resolve("gpt-6-soll", CALLER)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_gpt_is_of_the_other_upstream(models):
    with pytest.raises(NotFoundError, match="GPT") as caught:
        await models.resolve("gpt-4-gizmo-g-Abc", CALLER)
    assert caught.value.code == NOT_OFFERED


async def test_without_a_list_the_back_end_decides(codex, models):
    codex.models_status = 403
    assert (await models.resolve("anything", CALLER)).model.slug == "anything"
    assert (await models.resolve("best", CALLER)).model.slug == "gpt-6-sol"
    assert await models.first(CALLER) is None


async def test_the_listing_has_what_is_shown_pictures_and_names_of_the_operator(models):
    listed = {info.id: info for info in await models.listing(CALLER)}
    assert list(listed) == ["gpt-6-sol", "gpt-6-lite", *IMAGE_MODELS, "mine", "best", "old"]
    sol = listed["gpt-6-sol"]
    assert (sol.context_window, sol.input_modalities) == (272_000, ("text", "image"))
    assert sol.reasoning_efforts == ("low", "medium", "high")
    assert not set(IMAGE_MODELS) & {info.id for info in await models.listing(FREE)}
    assert await models.listing(None) == []
    assert (await models.first(CALLER)).slug == "gpt-6-sol"
