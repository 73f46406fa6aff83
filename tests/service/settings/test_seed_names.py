"""Files of RefreshToV1Api and PandoraToV1Api, read unchanged."""

import json
from pathlib import Path

import pytest

from service.settings.config import Config, LoadedConfig, load_config
from service.settings.problems import ConfigError

REFRESH_TO_V1 = {
    "log_level": "INFO",
    "need_log_to_file": "true",
    "process_workers": 2,
    "process_threads": 2,
    "upstream_base_url": "https://chat.oaifree.com",
    "upstream_api_prefix": ["dad04481-fa3f-494e-b90c-b822128073e5"],
    "backend_container_url": "http://1.2.3.4:50011/",
    "backend_container_api_prefix": "666 ",
    "key_for_gpts_info": "",
    "gpt_4_s_new_name": "gpt-4-s",
    "gpt_4_mobile_new_name": "gpt-4-mobile,dall-e-3",
    "gpt_3_5_new_name": "gpt-3.5-turbo",
    "need_delete_conversation_after_response": "true",
    "use_oaiusercontent_url": "false",
    "use_pandora_file_server": "false",
    "custom_arkose_url": "false",
    "arkose_urls": ["https://arkose.example.org/<proxy-prefix>"],
    "dalle_prompt_prefix": "画：",
    "proxy": "",
    "bot_mode": {
        "enabled": "false",
        "enabled_markdown_image_output": "false",
        "enabled_plain_image_url_output": "false",
        "enabled_bing_reference_output": "false",
        "enabled_plugin_output": "true",
    },
    "refresh_ToAccess": {
        "stream_sleep_time": 0.02,
        "enableOai": "true",
        "oaifree_refreshToAccess_Url": "",
    },
    "redis": {
        "host": "redis",
        "port": 6379,
        "password": "",
        "db": 0,
        "pool_size": 10,
        "pool_timeout": 30,
    },
}


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(tree: dict, environ: dict[str, str] | None = None) -> LoadedConfig:
    path = Path("config.json")
    path.write_text(json.dumps(tree, indent="\t"), encoding="utf-8")
    return load_config(path, environ or {})


def problems(tree: dict, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tree, environ)
    return list(caught.value.problems)


def test_a_file_of_refresh_to_v1_api_is_read_as_it_is():
    config = load(REFRESH_TO_V1).config
    assert (config.log.level, config.log.to_file) == ("INFO", True)
    assert (config.server.workers, config.server.threads) == (2, 2)
    assert config.upstream.base_url == "https://chat.oaifree.com"
    assert config.upstream.api_prefixes == ("dad04481-fa3f-494e-b90c-b822128073e5",)
    assert config.upstream.proxy == ""
    assert config.server.public_url == "http://1.2.3.4:50011"
    assert config.server.api_prefix == "666"
    assert config.gpts_key.get_secret_value() == ""
    assert config.conversation.delete_after_response is True
    assert config.images.upstream_links is False
    assert config.images.prompt_prefix == "画："
    assert config.files.host_rewrite == {}
    assert config.arkose.urls == ()
    assert config.bot_mode.enabled is False
    assert config.bot_mode.plugin_output is True
    assert config.stream.delay_seconds == 0.02
    assert config.tokens.provider == "openai"
    assert config.tokens.oaifree_url == ""
    assert config.storage.state == "redis://redis:6379/0?max_connections=10&timeout=30"


def test_a_file_of_pandora_to_v1_api_is_read_as_it_is():
    config = load(
        {
            "log_level": "DEBUG",
            "need_log_to_file": "false",
            "pandora_base_url": "https://pandora.example.org/",
            "pandora_api_prefix": "secret-prefix",
            "backend_container_url": "http://localhost:50011",
            "use_pandora_file_server": "true",
            "custom_arkose_url": "true",
            "arkose_urls": "https://a.example.org/x, https://b.example.org/y",
            "proxy": "socks5://u:p@127.0.0.1:1080",
            "refresh_ToAccess": {"steam_sleep_time": "0.1"},
        }
    ).config
    assert config.log.to_file is False
    assert config.upstream.base_url == "https://pandora.example.org"
    assert config.upstream.api_prefixes == ("secret-prefix",)
    assert config.upstream.proxy == "socks5://u:p@127.0.0.1:1080"
    assert config.files.host_rewrite == {"files.oaiusercontent.com": "files.pandoranext.com"}
    assert config.arkose.urls == ("https://a.example.org/x", "https://b.example.org/y")
    assert config.stream.delay_seconds == 0.1


def test_each_old_name_is_told_once():
    notes = load(REFRESH_TO_V1).notes
    assert "read `upstream_base_url` as `upstream.base_url`" in notes
    assert "read `bot_mode.enabled_plugin_output` as `bot_mode.plugin_output`" in notes
    assert "read `refresh_ToAccess.enableOai` as `tokens.provider`" in notes
    assert "read `redis` as `storage.state`" in notes
    assert "read `arkose_urls` as `arkose.urls`" in notes
    assert "ignored `arkose_urls`, since `custom_arkose_url` is not true" in notes
    assert len(notes) == len(set(notes))


def test_old_names_are_read_in_yaml_and_beside_new_ones():
    path = Path("c.yaml")
    path.write_text("log_level: WARNING\nserver: {port: 1}\nbackend_container_api_prefix: 666 \n")
    config = load_config(path, {}).config
    assert (config.log.level, config.server.port) == ("WARNING", 1)
    assert config.server.api_prefix == "666"


def test_an_empty_old_value_means_the_default():
    config = load(
        {
            "log_level": "",
            "upstream_base_url": "",
            "upstream_api_prefix": "",
            "oaifree": None,
            "gpt_4_s_new_name": "",
            "arkose_urls": "",
            "custom_arkose_url": "",
            "redis": {},
        }
    ).config
    assert config.model_dump(exclude={"path"}) == Config().model_dump(exclude={"path"})


def test_an_empty_image_prefix_is_kept():
    assert load({"dalle_prompt_prefix": ""}).config.images.prompt_prefix == ""


def test_a_byte_order_mark_and_real_booleans_are_read():
    path = Path("config.json")
    path.write_text('\ufeff{"need_log_to_file": false, "use_oaiusercontent_url": true}')
    config = load_config(path, {}).config
    assert (config.log.to_file, config.images.upstream_links) == (False, True)


def test_only_plain_json_escapes_make_a_character():
    path = Path("config.json")
    path.write_text('{"dalle_prompt_prefix": "\\ud83d\\ude00\\/"}')
    assert load_config(path, {}).config.images.prompt_prefix == "😀/"


# --- models and GPTs ------------------------------------------------------------


def test_a_name_list_replaces_the_names_of_its_row():
    models = load({"gpt_4_s_new_name": "best, gpt-4-all,best"}).config.models
    assert "gpt-4-s" not in models
    assert next(iter(models)) == "best"
    assert (models["best"].slug, models["best"].aliases) == ("gpt-4", ("gpt-4-all",))


@pytest.mark.parametrize(
    ("old", "slug"),
    [
        ("gpt_4_s_new_name", "gpt-4"),
        ("gpt_4_mobile_new_name", "gpt-4"),
        ("gpt_3_5_new_name", "gpt-4o-mini"),
        ("gpt_4_o_new_name", "gpt-4o"),
        ("gpt_4_o_mini_new_name", "gpt-4o-mini"),
    ],
)
def test_each_name_list_belongs_to_a_row(old, slug):
    models = load({old: "mine"}).config.models
    assert models["mine"].slug == slug
    assert len(models) == len(Config().models)


def test_a_list_takes_a_name_from_a_default_alias():
    models = load({"gpt_4_s_new_name": "gpt-4-s,dall-e-3"}).config.models
    assert models["gpt-4-s"].aliases == ("dall-e-3",)
    assert models["gpt-4-mobile"].aliases == ()


@pytest.mark.parametrize(
    ("lists", "line"),
    [
        (
            {"gpt_4_s_new_name": "a,x", "gpt_4_mobile_new_name": "b,x"},
            "gpt_4_mobile_new_name: the model name x is also used by gpt_4_s_new_name",
        ),
        (
            {"gpt_4_s_new_name": "a", "gpt_4_mobile_new_name": "a"},
            "models.a: given both as gpt_4_s_new_name and as gpt_4_mobile_new_name; keep one",
        ),
        (
            {"gpt_4_s_new_name": "a", "models": {"gpt-4-s": "x"}},
            "models.gpt-4-s: given both as models.gpt-4-s and as gpt_4_s_new_name; keep one",
        ),
        (
            {"gpt_4_s_new_name": "gpt-4-s", "models": {"gpt-4-s": "x"}},
            "models.gpt-4-s: given both as models.gpt-4-s and as gpt_4_s_new_name; keep one",
        ),
    ],
)
def test_one_name_for_two_models_is_an_error(lists, line):
    assert line in problems(lists)


def test_gpts_json_is_looked_for_beside_the_file():
    Path("gpts.json").write_text('{"gpt-4-classic": {"id": "g-YyyyMT9XH-chatgpt-classic"}}')
    Path("gpts.yaml").write_text("other: g-other")
    gpts = load({"log_level": "INFO"}).config.gpts
    assert list(gpts) == ["gpt-4-classic"]


def test_gpts_json_is_read_with_new_settings_too_when_gpts_yaml_is_empty():
    Path("gpts.json").write_text('{"gpt-4-classic": {"id": "g-YyyyMT9XH"}}')
    Path("gpts.yaml").write_text("{}")
    Path("c.yaml").write_text("gpts_file: gpts.yaml")
    assert list(load_config(Path("c.yaml"), {}).config.gpts) == ["gpt-4-classic"]


# --- redis ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "state"),
    [
        ({}, "sqlite:data/state.db"),
        ({"host": "", "port": 6379}, "sqlite:data/state.db"),
        ({"port": 6379, "password": "p"}, "sqlite:data/state.db"),
        ({"host": "redis"}, "redis://redis:6379/0"),
        ({"host": "1.2.3.4", "port": "7000", "db": "3"}, "redis://1.2.3.4:7000/3"),
        ({"host": "r", "password": "a@/b:c"}, "redis://:a%40%2Fb%3Ac@r:6379/0"),
        ({"host": "::1"}, "redis://[::1]:6379/0"),
    ],
)
def test_the_redis_section_becomes_an_address(section, state):
    assert load({"redis": section}).config.storage.state == state


# --- errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"upstream_base_ulr": "x"}, "upstream_base_ulr: no such setting; the nearest is upstream_base_url"),
        ({"redis": {"hots": "x"}}, "redis.hots: no such setting; the nearest is redis.host"),
        ({"redis": "localhost"}, "redis: must be a mapping with host, port, password and db"),
        ({"redis": {"host": "r", "port": "x"}}, "redis.port: 'x' is not valid, it must be a whole number"),
        ({"refresh_ToAccess": {"enableAoi": "x"}},
         "refresh_ToAccess.enableAoi: no such setting; the nearest is refresh_ToAccess.enableOai"),
        ({"bot_mode": {"enabled_plugins_output": "x"}},
         "bot_mode.enabled_plugins_output: no such setting; the nearest is bot_mode.enabled_plugin_output"),
        ({"process_workers": "two"},
         "server.workers (given as process_workers): 'two' is not valid, it must be a whole number of 1 or more"),
        ({"use_pandora_file_server": "maybe"},
         "files.host_rewrite (given as use_pandora_file_server): 'maybe' is not valid, it must be true or false"),
        ({"upstream_api_prefix": ["a", "b c"]},
         "upstream.api_prefixes[1] (given as upstream_api_prefix): 'b c' is not valid, it must be letters, digits, '-', '.', '_' and '~', with '/' between parts"),
        ({"upstream_base_url": "https://a", "upstream": {"base_url": "https://b"}},
         "upstream.base_url: given both as upstream.base_url and as upstream_base_url; keep one"),
        ({"upstream_base_url": "https://a", "pandora_base_url": "https://b"},
         "upstream.base_url: given both as upstream_base_url and as pandora_base_url; keep one"),
        ({"refresh_ToAccess": {"stream_sleep_time": 1, "steam_sleep_time": 2}},
         "stream.delay_seconds: given both as refresh_ToAccess.stream_sleep_time and as refresh_ToAccess.steam_sleep_time; keep one"),
        ({"bot_mode": {"plugin_output": True, "enabled_plugin_output": "true"}},
         "bot_mode.plugin_output: given both as bot_mode.plugin_output and as bot_mode.enabled_plugin_output; keep one"),
        ({"redis": {"host": "r"}, "storage": {"state": "sqlite:x"}},
         "storage.state: given both as storage.state and as redis; keep one"),
    ],
)  # fmt: skip
def test_an_error_names_the_old_name(tree, line):
    assert problems(tree) == [line]


def test_no_error_shows_an_old_secret():
    lines = problems(
        {
            "key_for_gpts_info": ["hunter2"],
            "redis": {"host": "r", "password": "hunter2", "port": "x"},
            "proxy": "gopher://u:hunter2@h",
        }
    )
    assert len(lines) == 3
    assert "hunter2" not in "\n".join(lines)
