"""Translates settings of RefreshToV1Api or PandoraToV1Api into this version's names (spec 3).

Each old name is one row of a table. The values stay unchecked here: the type of the new setting
says what is wrong with them. An empty old value means the default, since the seed ships with many
empty ones.

    tree with old and new names -> tree with new names, a note for each old one
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import Struct

from service.settings.problems import nearest, wrong
from service.settings.tree import Reading
from service.settings.types import flag, items

PANDORA_HOSTS = {"files.oaiusercontent.com": "files.pandoranext.com"}
# The seed's setting for a list of model names, and the public name of the row it replaces.
MODEL_LISTS = {
    "gpt_4_s_new_name": "gpt-4-s",
    "gpt_4_mobile_new_name": "gpt-4-mobile",
    "gpt_3_5_new_name": "gpt-3.5-turbo",
    "gpt_4_o_new_name": "gpt-4o",
    "gpt_4_o_mini_new_name": "gpt-4o-mini",
}
_REDIS_NAMES = ("host", "port", "password", "db", "pool_size", "pool_timeout")
_Reader = Callable[[object], object]


class _Old(Struct, frozen=True):
    setting: str
    read: _Reader = lambda value: value
    is_empty_kept: bool = False


class SeedReading(Reading):
    """A translated tree of settings.

    Attributes:
        replaced: default public name of each row that a list replaces, to the list's first name.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        super().__init__(tree)
        self.replaced: dict[str, str] = {}


def _provider(value: object) -> object:
    return "openai" if flag(value) else "oaifree"


def _host_rewrite(value: object) -> object:
    return dict(PANDORA_HOSTS) if flag(value) else {}


_BOT = "bot_mode"
_REFRESH = "refresh_ToAccess"
_OLD: dict[tuple[str, ...], _Old] = {
    ("log_level",): _Old("log.level"),
    ("need_log_to_file",): _Old("log.to_file"),
    ("process_workers",): _Old("server.workers"),
    ("process_threads",): _Old("server.threads"),
    ("upstream_base_url",): _Old("upstream.base_url"),
    ("pandora_base_url",): _Old("upstream.base_url"),
    ("upstream_api_prefix",): _Old("upstream.api_prefixes"),
    ("pandora_api_prefix",): _Old("upstream.api_prefixes"),
    ("backend_container_url",): _Old("server.public_url"),
    ("backend_container_api_prefix",): _Old("server.api_prefix"),
    ("key_for_gpts_info",): _Old("gpts_key"),
    ("need_delete_conversation_after_response",): _Old("conversation.delete_after_response"),
    ("use_oaiusercontent_url",): _Old("images.upstream_links"),
    ("use_pandora_file_server",): _Old("files.host_rewrite", _host_rewrite),
    ("dalle_prompt_prefix",): _Old("images.prompt_prefix", is_empty_kept=True),
    ("proxy",): _Old("upstream.proxy"),
    (_REFRESH, "enableOai"): _Old("tokens.provider", _provider),
    (_REFRESH, "oaifree_refreshToAccess_Url"): _Old("tokens.oaifree_url"),
    (_REFRESH, "stream_sleep_time"): _Old("stream.delay_seconds"),
    (_REFRESH, "steam_sleep_time"): _Old("stream.delay_seconds"),
    (_BOT, "enabled_markdown_image_output"): _Old("bot_mode.markdown_image_output"),
    (_BOT, "enabled_plain_image_url_output"): _Old("bot_mode.plain_image_url_output"),
    (_BOT, "enabled_bing_reference_output"): _Old("bot_mode.bing_reference_output"),
    (_BOT, "enabled_plugin_output"): _Old("bot_mode.plugin_output"),
}
SEED_NAMES = (
    *(".".join(old) for old in _OLD),
    *MODEL_LISTS,
    "custom_arkose_url",
    "arkose_urls",
    *(f"redis.{name}" for name in _REDIS_NAMES),
)

# The new names of each old setting; `redis` counts as one.
SEED_SETTINGS = {
    **{".".join(old): meaning.setting for old, meaning in _OLD.items()},
    **dict.fromkeys(MODEL_LISTS, "models"),
    **dict.fromkeys(("custom_arkose_url", "arkose_urls"), "arkose.urls"),
    "redis": "storage.state",
}


def translate(tree: Mapping[str, Any], slugs: Mapping[str, str]) -> SeedReading:
    """Return the tree with each old name replaced by the new one.

    Args:
        tree: a settings file; it is not changed.
        slugs: default public model name to slug.
    """
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    result = SeedReading(copy)
    for old, meaning in _OLD.items():
        if (value := _pop(copy, old)) is not None:
            _give(result, ".".join(old), meaning, value)
    for old_list, name in MODEL_LISTS.items():
        if (value := _pop(copy, (old_list,))) is not None:
            _give_names(result, old_list, name, (slugs[name], value))
    _give_arkose(result, _pop(copy, ("custom_arkose_url",)), _pop(copy, ("arkose_urls",)))
    if (redis := _pop(copy, ("redis",))) is not None:
        _give_redis(result, redis)
    _refuse_rest(result, _REFRESH, _pop(copy, (_REFRESH,)))
    return result


def _pop(tree: dict[str, Any], parts: tuple[str, ...]) -> object:
    """Remove a value from the tree and return it; None when there is none."""
    if len(parts) == 1:
        return tree.pop(parts[0], None)
    section = tree.get(parts[0])
    return section.pop(parts[1], None) if isinstance(section, dict) else None


def _give(result: SeedReading, old: str, meaning: _Old, value: object) -> None:
    result.notes.append(f"read `{old}` as `{meaning.setting}`")
    if _is_blank(value) and not meaning.is_empty_kept:
        return
    try:
        result.give(meaning.setting.split("."), old, meaning.read(value))
    except ValueError as error:
        result.problems.append(wrong(meaning.setting, value, str(error), old))


def _is_blank(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else False


def _give_names(result: SeedReading, old: str, row: str, given: tuple[str, object]) -> None:
    result.notes.append(f"read `{old}` as `models.{row}`")
    slug, value = given
    try:
        names = [str(name) for name in dict.fromkeys(items(value))]
    except ValueError as error:
        result.problems.append(wrong(f"models.{row}", value, str(error), old))
        return
    if names:
        models = result.tree.get("models")
        if isinstance(models, dict) and row in models and row != names[0]:
            result.problems.append(
                f"models.{row}: given both as models.{row} and as {old}; keep one"
            )
            return
        result.give(("models", names[0]), old, {"slug": slug, "aliases": names[1:]})
        result.replaced[row] = names[0]


def _give_arkose(result: SeedReading, custom: object, urls: object) -> None:
    if custom is not None:
        result.notes.append("read `custom_arkose_url` as `arkose.urls`")
    if urls is None:
        return
    result.notes.append("read `arkose_urls` as `arkose.urls`")
    try:
        is_on = custom is not None and not _is_blank(custom) and flag(custom)
    except ValueError as error:
        result.problems.append(wrong("arkose.urls", custom, str(error), "custom_arkose_url"))
        return
    if is_on:
        result.give(("arkose", "urls"), "arkose_urls", urls)
    else:
        result.notes.append("ignored `arkose_urls`, since `custom_arkose_url` is not true")


def _give_redis(result: SeedReading, section: object) -> None:
    result.notes.append("read `redis` as `storage.state`")
    if not isinstance(section, dict):
        if not _is_blank(section):
            result.problems.append("redis: must be a mapping with host, port, password and db")
        return
    values = {name: str(section.pop(name, None) or "").strip() for name in _REDIS_NAMES}
    _refuse_rest(result, "redis", section)
    bad = [
        name
        for name in ("port", "db", "pool_size")
        if values[name] and not values[name].isdecimal()
    ]
    for name in bad:
        result.problems.append(wrong(f"redis.{name}", values[name], "must be a whole number"))
    if values["host"] and not bad:
        result.give(("storage", "state"), "redis", _redis_address(values))


def _redis_address(values: Mapping[str, str]) -> str:
    host = f"[{values['host']}]" if ":" in values["host"] else values["host"]
    user = f":{quote(values['password'], safe='')}@" if values["password"] else ""
    pool = {"max_connections": values["pool_size"], "timeout": values["pool_timeout"]}
    query = urlencode({name: value for name, value in pool.items() if value})
    port, database = values["port"] or "6379", values["db"] or "0"
    return f"redis://{user}{host}:{port}/{database}{'?' if query else ''}{query}"


def _refuse_rest(result: SeedReading, section: str, rest: object) -> None:
    if isinstance(rest, dict):
        for name in rest:
            full = f"{section}.{name}"
            result.problems.append(
                f"{full}: no such setting; the nearest is {nearest(full, SEED_NAMES)}"
            )
    elif rest is not None and not _is_blank(rest):
        result.problems.append(f"{section}: must be a mapping")
