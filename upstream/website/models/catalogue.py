"""Public model names and the models that they stand for (spec 5); implements `Catalogue`."""

import re
from collections.abc import Mapping

from service.settings.claude_names import stand_in
from service.settings.config import ModelConfig
from service.settings.model_names import undated, unknown_model
from service.vocabulary.credentials import Caller
from service.vocabulary.requests import ModelInfo
from upstream.website.models.gpts import Gpts
from upstream.website.models.lists import ModelLists
from upstream.website.payload.turn_body import ResolvedModel

# The upstream gives no creation dates; clients expect an integer that stays the same.
CREATED = 1_700_000_000
_OWNER, _GPT_OWNER = "openai", "gpts"
# Names that can be a slug; any other is unknown and not sent upstream.
_SLUG = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,256}")


class ModelCatalogue:
    """All model names: of the table, of the GPTs, and of each account upstream.

    Args:
        models: the table, public name to slug and aliases.
        gpts: the GPTs.
        lists: the upstream's lists.
        is_passthrough: whether an account's own upstream names are passed on.
        claude: what `claude-…` names stand for, by family.
    """

    def __init__(
        self,
        models: Mapping[str, ModelConfig],
        gpts: Gpts,
        lists: ModelLists,
        *,
        is_passthrough: bool,
        claude: Mapping[str, str] | None = None,
    ) -> None:
        self._slugs = {
            name: model.slug for row, model in models.items() for name in (row, *model.aliases)
        }
        self._claude = claude or {}
        self._gpts = gpts
        self._lists = lists
        self._is_passthrough = is_passthrough

    # Each way to find a name is one branch, tried in order.
    async def resolve(self, name: str, caller: Caller) -> ResolvedModel:
        """Return the model that a name stands for; an unknown dated name stands for its base.

        `gpt-4o-2024-08-06` stands for `gpt-4o` if only that is known.

        Raises:
            NotFoundError: the name is unknown.
        """
        name = name if name in self._slugs else stand_in(name, self._claude)
        if slug := self._slugs.get(name):
            return ResolvedModel(slug)
        if gpt := await self._gpts.resolve(name, caller):
            return gpt
        listed: tuple[str, ...] | None = ()
        if self._is_passthrough and _SLUG.fullmatch(name):
            listed = await self._lists.slugs(caller, name)
        if listed and name in listed:
            return ResolvedModel(name)
        base = undated(name)
        if base is not None and (slug := self._slugs.get(base)):
            return ResolvedModel(slug)
        if base is not None and listed and base in listed:
            return ResolvedModel(base)
        if listed is None:
            return ResolvedModel(name)
        raise unknown_model(name, (*self._slugs, *self._gpts.names(), *(listed or ())))

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        """Return all names once; with a caller, the upstream's own too if it answers in time."""
        owners = dict.fromkeys(self._slugs, _OWNER)
        owners |= {name: _GPT_OWNER for name in self._gpts.names() if name not in owners}
        if caller is not None and self._is_passthrough:
            listed = await self._lists.slugs(caller) or ()
            owners |= {slug: _OWNER for slug in listed if slug not in owners}
        return [ModelInfo(name, CREATED, owner) for name, owner in owners.items()]
