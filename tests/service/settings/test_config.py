"""Settings: defaults, files, environment, and each error's exact line."""

import json
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
import yaml

from service.settings.config import SETTINGS, Config, LoadedConfig, UpstreamConfig, load_config
from service.settings.problems import ConfigError
from tests.rows import each_row

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(text: str, environ: dict[str, str] | None = None, name: str = "c.yaml") -> LoadedConfig:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ or {})


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, environ)
    return list(caught.value.problems)


def same_settings(one: Config, other: Config) -> bool:
    return one.model_dump(exclude={"path"}) == other.model_dump(exclude={"path"})


def test_without_a_file_everything_is_default():
    loaded = load_config(None, {})
    assert same_settings(loaded.config, Config())
    assert loaded.notes == ()


def test_config_yaml_of_the_current_directory_is_read_without_being_named():
    Path("config.yaml").write_text("server: {port: 8080}")
    loaded = load_config(None, {})
    assert loaded.config.server.port == 8080
    assert loaded.config.path == Path("config.yaml")


def test_the_shipped_file_holds_exactly_the_defaults():
    loaded = load_config(ROOT / "config.yaml", {})
    assert same_settings(loaded.config, Config())


def test_the_shipped_file_names_every_setting():
    tree = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))

    def names(branch, prefix=""):
        for key, value in branch.items():
            name = prefix + key
            is_section = isinstance(value, dict) and name not in SETTINGS
            yield from names(value, f"{name}.") if is_section else [name]

    assert set(names(tree)) == set(SETTINGS)


def test_the_shipped_gpts_file_is_read_and_empty():
    assert load_config(ROOT / "config.yaml", {}).config.gpts == {}


@each_row("text", ["", "# nothing\n", "server:\n", "server:\n  port: ~\n", "{}"])
def test_a_file_that_sets_nothing_is_as_good_as_none(text):
    assert same_settings(load(text).config, Config())


def test_the_defaults_of_the_specification():
    config = Config()
    assert (str(ip_address(config.server.host)), config.server.port) == (str(IPv4Address(0)), 33333)
    assert (config.server.max_body_bytes, config.server.max_upload_bytes) == (33554432, 536870912)
    assert config.upstream.base_url == "demo"
    assert config.upstream.turn_path == "backend-api/conversation"
    assert config.tokens.oaifree_url == ""
    assert config.tokens.openai_url == "https://auth0.openai.com/oauth/token"
    assert config.tokens.daily_refresh_at == "03:00"
    assert config.tokens.secret is None
    assert config.models["gpt-4-s"].slug == "gpt-4"
    assert config.models["gpt-4-s"].aliases == ("gpt-4", "gpt-4-vision-preview")
    assert config.models["gpt-4-mobile"].aliases == ("dall-e-3",)
    assert list(config.models) == [
        "gpt-4-s",
        "gpt-4-mobile",
        "gpt-3.5-turbo",
        "gpt-4o",
        "gpt-4o-mini",
        "o1-preview",
        "o1-mini",
    ]
    assert config.files.max_store_bytes == 10 * 1024**3
    assert config.images.prompt_prefix.startswith("请严格")
    assert config.storage.state == "sqlite:data/state.db"


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().server.port = 1


def test_the_environment_of_the_process_is_not_read_unless_asked(monkeypatch):
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "1")
    assert Config().server.port == 33333
    assert load_config(None, {}).config.server.port == 33333
    assert load_config(None).config.server.port == 1


# --- what is written in many ways ----------------------------------------------


@each_row(
    ("text", "setting", "expected"),
    [
        ("server: {port: '8080'}", "server.port", 8080),
        ("server: {api_prefix: ' /666/ '}", "server.api_prefix", "666"),
        ("server: {api_prefix: 0666}", "server.api_prefix", "0666"),
        ("server: {public_url: 'http://1.2.3.4:5/'}", "server.public_url", "http://1.2.3.4:5"),
        ("server: {cors_origins: 'https://a.org/, *'}", "server.cors_origins", ("https://a.org", "*")),
        ("server: {trusted_proxies: 10.1.2.3/8}", "server.trusted_proxies", ("10.0.0.0/8",)),
        ("log: {level: debug}", "log.level", "DEBUG"),
        ("log: {to_file: 'False'}", "log.to_file", False),
        ("upstream: {base_url: 'https://a.org/x//'}", "upstream.base_url", "https://a.org/x"),
        ("upstream: {api_prefixes: 'a, /b/,'}", "upstream.api_prefixes", ("a", "b")),
        ("upstream: {api_prefixes: [a, 12]}", "upstream.api_prefixes", ("a", "12")),
        ("upstream: {turn_path: /backend-api/f/conversation}", "upstream.turn_path",
         "backend-api/f/conversation"),
        ("upstream: {encodings: v1}", "upstream.encodings", ("v1",)),
        ("tokens: {daily_refresh_at: 12:30}", "tokens.daily_refresh_at", "12:30"),
        ("tokens: {daily_refresh_at: 4:05}", "tokens.daily_refresh_at", "04:05"),
        ("stream: {delay_seconds: .5}", "stream.delay_seconds", 0.5),
        ("files: {host_rewrite: {A.org: b.org}}", "files.host_rewrite", {"a.org": "b.org"}),
        ("storage: {state: 'unix:///run/redis.sock'}", "storage.state", "unix:///run/redis.sock"),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_setting_means_it(text, setting, expected):
    value = load(text).config
    for part in setting.split("."):
        value = getattr(value, part)
    assert value == expected


# --- errors ----------------------------------------------------------------------


@each_row(
    ("text", "line"),
    [
        ("upstream: {bas_url: x}", "upstream.bas_url: no such setting; the nearest is upstream.base_url"),
        ("base_url: x", "base_url: no such setting; the nearest is codex.base_url"),
        ("upstrem: {base_url: demo}", "upstrem: no such setting; the nearest is upstream"),
        ("log_levle: DEBUG", "log_levle: no such setting; the nearest is log_level"),
        ("gpts: {}", "gpts: no such setting; the nearest is gpts_key"),
        ("server: 7", "server: '7' is not valid, it must be a mapping"),
        ("server: {port: 70000}",
         "server.port: '70000' is not valid, it must be a whole number from 0 to 65535"),
        ("server: {workers: 0}",
         "server.workers: '0' is not valid, it must be a whole number of 1 or more"),
        ("server: {workers: true}",
         "server.workers: 'true' is not valid, it must be a whole number of 1 or more"),
        ("server: {api_prefix: 'a b'}",
         "server.api_prefix: 'a b' is not valid, it must be letters, digits, '-', '.', '_' and '~', with '/' between parts"),
        ("server: {api_prefix: '../x'}",
         "server.api_prefix: '../x' is not valid, it must be letters, digits, '-', '.', '_' and '~', with '/' between parts"),
        ("server: {api_prefix: admin/x, admin_key: s3cret}",
         "server.api_prefix: with server.admin_key set, /admin/ is taken"),
        ("server: {public_url: gateway.org}",
         "server.public_url: 'gateway.org' is not valid, it must be an address that starts with http:// or https://"),
        ("server: {trusted_proxies: [10.0.0.0/8, here]}",
         "server.trusted_proxies[1]: 'here' is not valid, it must be an IP address or a network such as 10.0.0.0/8"),
        ("server: {cors_origins: [a.org]}",
         "server.cors_origins[0]: 'a.org' is not valid, it must be *, or an origin such as https://chat.example.org"),
        ("server: {drain_seconds: -1}",
         "server.drain_seconds: '-1' is not valid, it must be a number of seconds, 0 or more"),
        ("log: {level: LOUD}",
         "log.level: 'LOUD' is not valid, it must be DEBUG, INFO, WARNING or ERROR"),
        ("log: {format: xml}", "log.format: 'xml' is not valid, it must be text or json"),
        ("log: {to_file: maybe}", "log.to_file: 'maybe' is not valid, it must be true or false"),
        ("upstream: {base_url: 'ftp://a'}",
         "upstream.base_url: 'ftp://a' is not valid, it must be an address that starts with http:// or https://, or demo or none"),
        ("upstream: {proxy: 'socks4://a:1'}",
         "upstream.proxy: 'socks4://a:1' is not valid, it must be empty, or start with http://, https:// or socks5://"),
        ("upstream: {idle_seconds: 0}",
         "upstream.idle_seconds: '0' is not valid, it must be a number of seconds, more than 0"),
        ("upstream: {idle_seconds: inf}",
         "upstream.idle_seconds: 'inf' is not valid, it must be a number of seconds, more than 0"),
        ("upstream: {encodings: [v2]}",
         "upstream.encodings[0]: 'v2' is not valid, it must be v1"),
        ("upstream: {turn_path: conversation}",
         "upstream.turn_path: 'conversation' is not valid, it must be backend-api/conversation or backend-api/f/conversation"),
        ("tokens: {provider: google}",
         "tokens.provider: 'google' is not valid, it must be oaifree, openai or codex"),
        ("tokens: {daily_refresh_at: '24:00'}",
         "tokens.daily_refresh_at: '24:00' is not valid, it must be a time of day as HH:MM, 00:00 to 23:59"),
        ("models: {x: {slog: y}}", "models.x.slug: must be given"),
        ("models: {x: {slug: y, alias: z}}",
         "models.x.alias: no such setting; the nearest is models.x.aliases"),
        ("files: {host_rewrite: {a.org: 'http://b.org'}}",
         "files.host_rewrite.a.org: 'http://b.org' is not valid, it must be a host name such as files.example.org"),
        ("fetch: {allow_hosts: [http://a]}",
         "fetch.allow_hosts[0]: 'http://a' is not valid, it must be a host name such as files.example.org"),
        ("storage: {state: 'mysql://a'}",
         "storage.state: 'mysql://a' is not valid, it must be sqlite:<path>, redis://…, rediss://… or unix://…"),
        ("storage: {blobs: data}",
         "storage.blobs: 'data' is not valid, it must be file:<directory> or s3://<bucket>/<prefix>"),
        ("gpts_file: none.yaml", "none.yaml: cannot be read: No such file or directory"),
        ("a: 1\na: 2", "c.yaml: line 2: the key a is given twice"),
        ("a: [", "c.yaml: line 1: expected the node content, but found '<stream end>'"),
        ("- a", "c.yaml: must be a mapping of settings, not a list"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_one_line(text, line):
    assert line in problems(text)


def test_every_bad_setting_is_told_at_once():
    assert len(problems("server: {port: x, workers: y}\nfoo: 1", {"GATEWAY_NO": "1"})) == 4


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        load_config(Path("gone.yaml"), {})


def test_a_file_that_is_not_text_is_an_error():
    Path("c.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="the file is not UTF-8"):
        load_config(Path("c.yaml"), {})


# --- secrets -----------------------------------------------------------------------


@each_row(
    "text",
    [
        "tokens: {secret: [hunter2]}",
        "gpts_key: [hunter2]",
        "tokens: {secert: hunter2}",
        "storage: {state: 'redis:/:hunter2@host'}",
        "storage: {state: 'redis//u:hunter2@h:port'}",
        "storage: {state: 'redis://u:a/hunter2@h:port'}",
        "upstream: {proxy: 'gopher://u:hunter2@h'}",
        "upstream: {headers: [hunter2]}",
        "upstream: {headers: {X-Key: [hunter2]}}",
        "upstream: {headers: hunter2}",
        "gpts_key: 'hunter2\nserver: {",
    ],
)
def test_no_error_shows_a_secret(text):
    assert "hunter2" not in "\n".join(problems(text))


def test_repr_shows_no_secret():
    config = load(
        "tokens: {secret: hunter2}\ngpts_key: hunter2\n"
        "storage: {state: 'redis://:hunter2@h/0'}\n"
        "upstream: {headers: {X-Key: hunter2}, proxy: 'http://u:hunter2@h:1'}"
    ).config
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(config)
    assert config.storage.state == "redis://:hunter2@h/0"
    assert config.tokens.secret.get_secret_value() == "hunter2"
    assert config.gpts_key.get_secret_value() == "hunter2"
    assert "X-Key" in repr(config.upstream)


def test_pydantics_own_error_shows_no_secret():
    with pytest.raises(ValueError, match="proxy") as caught:
        UpstreamConfig(proxy="gopher://u:hunter2@h")
    assert "hunter2" not in str(caught.value)


# --- models and GPTs -----------------------------------------------------------------


def test_a_line_of_config_adds_a_model_to_the_table():
    models = load("models: {gpt-5: gpt-5-thinking}").config.models
    assert models["gpt-5"].slug == "gpt-5-thinking"
    assert set(Config().models) < set(models)


def test_an_explicit_name_is_taken_from_a_default_alias():
    models = load("models: {gpt-4: gpt-4-turbo}").config.models
    assert models["gpt-4"].slug == "gpt-4-turbo"
    assert models["gpt-4-s"].aliases == ("gpt-4-vision-preview",)


def test_an_explicit_alias_is_taken_from_a_default_row():
    models = load("models: {mine: {slug: x, aliases: [gpt-4o]}}").config.models
    assert "gpt-4o" not in models
    assert models["gpt-4-o"].slug == "gpt-4o"


def test_a_default_row_that_is_given_a_slug_keeps_its_aliases():
    models = load("models: {gpt-4-s: gpt-4-turbo}").config.models
    assert models["gpt-4-s"].aliases == ("gpt-4", "gpt-4-vision-preview")


def test_two_explicit_uses_of_one_name_are_an_error():
    assert problems("models: {a: {slug: x, aliases: [c]}, b: {slug: y, aliases: [c]}}") == [
        "models.b: the model name c is also used by models.a"
    ]


def test_the_shipped_table_can_be_edited_in_place():
    tree = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    tree["models"]["gpt-4"] = "gpt-4-turbo"
    models = load(json.dumps(tree)).config.models
    assert models["gpt-4"].slug == "gpt-4-turbo"
    assert models["gpt-4-s"].aliases == ("gpt-4-vision-preview",)


def test_gpts_are_read_from_beside_the_settings_file(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "c.yaml").write_text("gpts_file: my.yaml")
    (folder / "my.yaml").write_text("classic: {id: g-abc, send_full: true}\nother: g-def-name")
    gpts = load_config(folder / "c.yaml", {}).config.gpts
    assert (gpts["classic"].id, gpts["classic"].send_full) == ("g-abc", True)
    assert (gpts["other"].id, gpts["other"].send_full) == ("g-def-name", False)


def test_a_gpt_takes_its_name_from_a_default_alias():
    Path("gpts.yaml").write_text("gpt-4: g-abc")
    config = load("").config
    assert config.models["gpt-4-s"].aliases == ("gpt-4-vision-preview",)
    assert config.gpts["gpt-4"].id == "g-abc"


def test_a_gpt_and_a_model_cannot_have_one_name():
    Path("gpts.yaml").write_text("mine: g-abc")
    assert problems("models: {mine: x}") == [
        "gpts.mine: the model name mine is also used by models.mine"
    ]


def test_a_bad_gpt_is_named():
    Path("gpts.yaml").write_text("mine: {id: abc}")
    assert problems("") == [
        "gpts.mine.id: 'abc' is not valid, it must be the id of a GPT, such as g-YyyyMT9XH-chatgpt-classic"
    ]


# --- environment ------------------------------------------------------------------------


def test_environment_goes_before_the_file():
    config = load("upstream: {base_url: http://a, retries: 5}", {"GATEWAY_UPSTREAM__BASE_URL": "http://b"}).config  # fmt: skip
    assert (config.upstream.base_url, config.upstream.retries) == ("http://b", 5)


def test_an_error_names_the_variable():
    assert problems("server: {port: 1}", {"GATEWAY_SERVER__PORT": "x"}) == [
        "server.port (given as GATEWAY_SERVER__PORT): 'x' is not valid, it must be a whole number from 0 to 65535"
    ]


@each_row("setting", SETTINGS)
def test_every_setting_can_be_given_by_environment(setting):
    default = Config().model_dump(mode="json")
    for part in setting.split("."):
        default = default[part]
    is_plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    text = str(default) if is_plain else json.dumps(default or None if default is None else default)
    if setting == "gpts_file":
        Path(text).write_text("{}")
    if default is not None:
        variable = "GATEWAY_" + setting.replace(".", "__").upper()
        assert same_settings(load_config(None, {variable: text}).config, Config())
