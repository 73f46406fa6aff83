"""Names of models for Codex accounts, and what they stand for (spec 5, 14.3); implements `Catalogue`."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from service.settings.claude_names import stand_in
from service.settings.config import Config, default_models
from service.settings.model_names import undated, unknown_model
from service.vocabulary.credentials import Caller, account_in
from service.vocabulary.errors import NOT_OFFERED, NotFoundError, RequestError
from service.vocabulary.requests import ModelInfo
from upstream.codex.account.catalogue import CodexLists, ListedModel
from upstream.codex.payload.model import EFFORT_WORDS, CodexModel

# The catalogue dates no model; clients want an integer that stays the same.
CREATED = 1_700_000_000
_OWNER = "openai"
IMAGE_PREFIX = "gpt-image-"
IMAGE_MODELS = ("gpt-image-2", "gpt-image-1.5")  # the catalogue lists none (codex 5)
_FREE = "free"
_GPT_MARK = "-gizmo-"


class Asked(Struct, frozen=True):
    """What a name stands for; `effort` is the word in the name, if it has one."""

    model: CodexModel
    effort: str = ""


class Painter(Struct, frozen=True):
    """What draws: an image model, or else a model of text with its tool."""

    image_model: str = ""
    model: CodexModel | None = None


class CodexNames(Struct, frozen=True):
    """The operator's names, with what they stand for, and names that stand for the first model.

    `claude` says what `claude-…` names stand for, by family.
    """

    own: Mapping[str, str]
    usual: frozenset[str]
    claude: Mapping[str, str] = {}


def names_in(config: Config) -> CodexNames:
    """Return the names of the settings: of the two tables, without the rows that are built in."""
    defaults = default_models()
    own = {
        name: row.slug
        for row_name, row in config.models.items()
        if row_name not in defaults or row.slug != defaults[row_name].slug
        for name in (row_name, *row.aliases)
    }
    usual = {
        name
        for row_name, row in config.models.items()
        if row_name in defaults and row.slug == defaults[row_name].slug
        for name in (row_name, *row.aliases)
    }
    return CodexNames(
        {**own, **config.codex.models},
        frozenset(usual - config.codex.models.keys()),
        config.messages.models,
    )


class CodexModels:
    """All names: those of the catalogue, the image models', and the operator's.

    Args:
        names: of the settings.
        lists: of the back end.
    """

    def __init__(self, names: CodexNames, lists: CodexLists) -> None:
        self._names = names
        self._lists = lists

    async def resolve(self, name: str, caller: Caller) -> Asked:
        """Return the model that a name stands for; where no list can be had, the back end decides.

        Raises:
            NotFoundError: no list has it, or it is of the website.
            RequestError: it is an image model, which answers nothing.
        """
        if self._slug(name).startswith(IMAGE_PREFIX):
            raise _only_draws(name)
        listed = await self._lists.models(caller)
        if name not in self._names.own:
            shown = [one.model.slug for one in listed or () if one.is_shown]
            name = stand_in(name, self._names.claude, shown)
        if listed is None:
            return Asked(CodexModel(self._names.own.get(name, name)))
        slugs = {one.model.slug: one.model for one in listed}
        found = self._found(name, slugs, listed) or self._found(undated(name) or "", slugs, listed)
        if found is not None:
            return found
        if _GPT_MARK in name:
            message = (
                f"The GPT '{name[:100]}' is of the website: a Codex account has no GPTs. Use an "
                "access token of the website, or one of this account's models."
            )
            raise NotFoundError(message, code=NOT_OFFERED, param="model")
        raise unknown_model(name, (*self._names.own, *self._names.usual, *slugs))

    def _found(
        self, name: str, slugs: Mapping[str, CodexModel], listed: Sequence[ListedModel]
    ) -> Asked | None:
        if name in self._names.own:
            slug = self._names.own[name]
            return Asked(slugs.get(slug) or CodexModel(slug))
        if name in slugs:
            return Asked(slugs[name])
        base, _, word = name.rpartition("-")
        if word in EFFORT_WORDS and base in slugs:
            return Asked(slugs[base], word)
        if name in self._names.usual and (first := first_shown(listed)) is not None:
            return Asked(first)
        return None

    async def painter(self, name: str, caller: Caller) -> Painter:
        """Return the model that draws for a name in an order of pictures.

        Raises:
            NotFoundError: as for `resolve`.
        """
        slug = self._slug(name)
        if slug.startswith(IMAGE_PREFIX):
            return Painter(image_model=slug)
        return Painter(model=(await self.resolve(name, caller)).model)

    def _slug(self, name: str) -> str:
        """Return the slug behind a name of the operator's; any other name is its own slug."""
        return self._names.own.get(name, name)

    async def first(self, caller: Caller) -> CodexModel | None:
        """Return the first model that is listed for an account, None where none is."""
        return first_shown(await self._lists.models(caller) or ())

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        """Return all names, each once."""
        if caller is None:
            return []
        listed = await self._lists.models(caller) or ()
        found = {one.model.slug: _info(one) for one in listed if one.is_shown}
        if account_in(caller.access_token).plan.lower() != _FREE:
            found |= {name: ModelInfo(name, CREATED, _OWNER) for name in IMAGE_MODELS}
        own = {name: ModelInfo(name, CREATED, _OWNER) for name in self._names.own}
        return list(
            {**found, **{name: info for name, info in own.items() if name not in found}}.values()
        )


def first_shown(listed: Sequence[ListedModel]) -> CodexModel | None:
    """Return the first model that may be shown."""
    return next((one.model for one in listed if one.is_shown), None)


def _only_draws(name: str) -> RequestError:
    message = (
        f"model: '{name[:100]}' draws pictures and answers nothing else. Send its orders to "
        "/v1/images/generations, or offer a model of text the tool image_generation in "
        "/v1/responses."
    )
    return RequestError(message, param="model")


def _info(listed: ListedModel) -> ModelInfo:
    return ModelInfo(
        listed.model.slug,
        CREATED,
        _OWNER,
        context_window=listed.context_window,
        input_modalities=listed.modalities,
        reasoning_efforts=listed.model.efforts,
    )
