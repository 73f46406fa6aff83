import orjson
import pytest

from service.settings.config import GptConfig, default_models
from service.vocabulary.errors import NotFoundError
from tests.upstream.backends import CALLER
from upstream.website.models.catalogue import ModelCatalogue
from upstream.website.models.gpts import Gpts
from upstream.website.models.lists import ModelLists
from upstream.website.payload.turn_body import ResolvedModel

PATH = "/backend-api/models"


@pytest.fixture
def make(backend, state):
    def build(*, is_passthrough=True, gpts=None, claude=None):
        configs = {name: GptConfig(id=gpt) for name, gpt in (gpts or {}).items()}
        return ModelCatalogue(
            default_models(),
            Gpts(configs, "", backend, state, None),
            ModelLists(backend),
            is_passthrough=is_passthrough,
            claude=claude,
        )

    return build


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("gpt-4-s", "gpt-4"),
        ("gpt-4", "gpt-4"),
        ("gpt-4-vision-preview", "gpt-4"),
        ("gpt-4-mobile", "gpt-4"),
        ("dall-e-3", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-4o-mini"),
        ("gpt-4-o", "gpt-4o"),
        ("o1-preview", "o1-preview"),
    ],
)
async def test_a_name_of_the_table_stands_for_its_slug_and_asks_nobody(make, upstream, name, slug):
    assert await make().resolve(name, CALLER) == ResolvedModel(slug)
    assert upstream.requests == []


async def test_a_name_of_anthropics_stands_for_a_model_in_every_dialect(make):
    catalogue = make(claude={"opus": "o1-preview"})
    for name, slug in (
        ("claude-opus-4-5", "o1-preview"),
        ("claude-sonnet", "gpt-4o"),
        ("claude-haiku-4-5", "gpt-4o-mini"),
    ):
        assert await catalogue.resolve(name, CALLER) == ResolvedModel(slug)


async def test_a_gpt_is_found_by_name_and_by_id(make):
    catalogue = make(gpts={"helper": "g-CFsXuTRfy-slug"})
    assert (await catalogue.resolve("helper", CALLER)).gizmo_id == "g-CFsXuTRfy"
    assert (await catalogue.resolve("gpt-4-gizmo-g-Abc", CALLER)).gizmo_id == "g-Abc"


async def test_a_name_that_the_upstream_lists_is_passed_on(make, upstream):
    upstream.answers("GET", PATH, {"models": [{"slug": "gpt-9"}]})
    assert await make().resolve("gpt-9", CALLER) == ResolvedModel("gpt-9")


async def test_a_name_is_passed_on_when_the_list_cannot_be_read(make, upstream):
    upstream.answers("GET", PATH, (500, {}))
    assert await make().resolve("gpt-9", CALLER) == ResolvedModel("gpt-9")


async def test_an_unknown_model_names_the_closest_ones(make, upstream):
    upstream.answers("GET", PATH, {"models": [{"slug": "gpt-9"}]})
    with pytest.raises(NotFoundError) as caught:
        await make(gpts={"gpt-9-helper": "g-1"}).resolve("gpt-9-helpr", CALLER)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "`gpt-9-helpr` does not exist" in error.message
    assert "gpt-9-helper" in error.message


async def test_without_passthrough_the_table_and_the_gpts_are_all(make, upstream):
    with pytest.raises(NotFoundError):
        await make(is_passthrough=False).resolve("gpt-9", CALLER)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "x" * 100_000, "\ud800", "a\x00b\r\nc", "\u2028", "é" * 300]
)
async def test_a_name_of_any_characters_is_unknown_and_goes_nowhere(make, upstream, name):
    upstream.answers("GET", PATH, (500, {}))
    with pytest.raises(NotFoundError) as caught:
        await make().resolve(name, CALLER)
    assert upstream.requests == []
    assert len(caught.value.message) < 400
    assert orjson.dumps(caught.value.message)


async def test_the_list_has_each_name_once_with_an_integer_date(make, upstream):
    upstream.answers("GET", PATH, {"models": [{"slug": "gpt-9"}, {"slug": "gpt-4o"}]})
    catalogue = make(gpts={"helper": "g-1", "gpt-4": "g-2"})
    entries = await catalogue.listing(CALLER)
    names = [entry.id for entry in entries]
    assert len(names) == len(set(names))
    assert {"gpt-4-s", "gpt-4", "dall-e-3", "helper", "gpt-9"} <= set(names)
    assert {type(entry.created) for entry in entries} == {int}
    assert [entry.owned_by for entry in entries if entry.id == "helper"] == ["gpts"]


async def test_without_a_caller_the_upstream_is_not_asked(make, upstream):
    assert "gpt-4o" in [entry.id for entry in await make().listing(None)]
    assert upstream.requests == []


async def test_a_list_that_cannot_be_read_is_left_out(make, upstream):
    upstream.answers("GET", PATH, (401, {"detail": "Unauthorized"}))
    assert len(await make().listing(CALLER)) == len(await make().listing(None))


async def test_the_demo_lists_its_models(demo_backend, state):
    catalogue = ModelCatalogue(
        {}, Gpts({}, "", demo_backend, state, None), ModelLists(demo_backend), is_passthrough=True
    )
    assert "gpt-4o" in [entry.id for entry in await catalogue.listing(CALLER)]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-0806", "gpt-4o"),
        ("gpt-4-s-0613", "gpt-4"),
        ("gpt-9-2026-01-31", "gpt-9"),
        ("gpt-9-1106", "gpt-9-1106"),
    ],
)
async def test_a_dated_name_that_is_not_listed_stands_for_its_base(make, upstream, name, slug):
    models = [{"slug": "gpt-9"}, {"slug": "gpt-9-1106"}]
    upstream.answers("GET", PATH, {"models": models})
    assert await make().resolve(name, CALLER) == ResolvedModel(slug)
    with pytest.raises(NotFoundError):
        await make().resolve(f"x{name}", CALLER)


async def test_a_dated_name_of_the_table_needs_no_list(make, upstream):
    upstream.answers("GET", PATH, (500, {}))
    assert await make().resolve("gpt-4o-2024-08-06", CALLER) == ResolvedModel("gpt-4o")
    assert await make(is_passthrough=False).resolve("gpt-4o-0806", CALLER) == ResolvedModel(
        "gpt-4o"
    )
