"""Every setting, typed, with its default (spec 3); and the one reader of the environment.

    Config = file (YAML or JSON, new names and the seed's) < environment

Paths below `data/` and `log/` are relative to the current directory, `gpts_file`
to the directory of the settings file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from typing_extensions import override

from service.settings import types
from service.settings.environment import read_environment
from service.settings.files import DEFAULT_GPTS, find_gpts, read_mapping
from service.settings.masks import masked
from service.settings.model_names import ModelRow, laid_over, used_twice
from service.settings.problems import ConfigError, from_validation, unknown
from service.settings.removed import REMOVED, without_removed
from service.settings.seed_names import SEED_NAMES, SeedReading, translate
from service.settings.tree import merged, setting_names
from service.vocabulary.credentials import ALL_KINDS, UpstreamChoice, UpstreamKind

DEFAULT_PROMPT_PREFIX = "请严格根据我的以下要求完成绘图任务，如果我没有发出指定的绘画指令，则绘制出我发出的文字对应的图片："
DEFAULT_FILE = "config.yaml"
KEYS_FILE = "data/keys.json"
CODEX_URL = "https://chatgpt.com/backend-api/codex"
DEMO, NONE = "demo", "none"  # values that replace an upstream's address
MIB = 1024 * 1024
GIB = 1024 * MIB


class _Section(BaseModel):
    """A frozen section of the settings, which refuses unknown names and shows no secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @override
    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, masked(name or "", value)) for name, value in super().__repr_args__()]


class ServerConfig(_Section):
    """The address that the gateway listens on, and its limits."""

    host: types.Name = "0.0.0.0"  # noqa: S104 - a container is reached from outside
    port: types.Port = 33333
    api_prefix: types.Prefix = ""
    public_url: types.OptionalAddress = ""
    trusted_proxies: types.Networks = ("127.0.0.0/8", "::1/128")
    workers: types.PositiveCount = 1
    threads: types.PositiveCount = 4
    max_body_bytes: types.PositiveCount = 32 * MIB
    max_upload_bytes: types.PositiveCount = 512 * MIB
    max_pending_body_bytes: types.PositiveCount = 256 * MIB
    admin_key: types.Secret = SecretStr("")
    cors_origins: types.Origins = ("*",)
    max_requests: types.Count = 2000
    keys_file: Annotated[types.Text, AfterValidator(lambda path: path or KEYS_FILE)] = KEYS_FILE
    drain_seconds: types.SecondsOrZero = 30


class LogConfig(_Section):
    """What is logged, and where."""

    level: types.LogLevel = "INFO"
    to_file: types.Flag = True
    path: types.Name = "log/access.log"
    keep_days: types.PositiveCount = 30
    format: types.LogFormat = "text"


class UpstreamConfig(_Section):
    """How the website's backend-api is reached."""

    base_url: types.BaseAddress = "demo"
    api_prefixes: types.Prefixes = ()
    headers: types.Headers = Field(default_factory=dict)
    proxy: types.ProxyAddress = ""
    connect_seconds: types.Seconds = 10
    first_event_seconds: types.Seconds = 120
    idle_seconds: types.Seconds = 120
    turn_seconds: types.Seconds = 1800
    retries: types.Count = 2
    streams_per_account: types.Count = 3
    queue_per_account: types.Count = 20
    queue_seconds: types.SecondsOrZero = 60
    encodings: types.Encodings = ()
    turn_path: types.TurnPath = "backend-api/conversation"
    direct: types.Flag = True


class CodexConfig(_Section):
    """The back end of Codex, for accounts that signed in by its login (spec 14)."""

    base_url: types.CodexAddress = CODEX_URL
    models: Annotated[dict[types.Name, types.Name], BeforeValidator(types.mapping)] = Field(
        default_factory=dict
    )
    client_version: types.Name = "99.0.0"
    originator: types.Name = "backend-to-v1"


class TokensConfig(_Section):
    """The services that exchange refresh tokens for access tokens (protocol 7.1, 7.2)."""

    provider: types.Provider = "oaifree"
    oaifree_url: types.OptionalAddress = ""
    openai_url: types.Address = "https://auth0.openai.com/oauth/token"
    openai_client_id: types.Name = "pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh"
    openai_redirect_uri: types.Name = (
        "com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback"
    )
    codex_url: types.Address = "https://auth.openai.com/oauth/token"
    codex_client_id: types.Name = "app_EMoamEEZ73f0CkXaXp7hrann"
    refresh_before_seconds: types.SecondsOrZero = 3600
    daily_refresh_at: types.ClockTime = "03:00"
    secret: types.OptionalSecret = None
    old_secrets: types.Secrets = ()


class ModelConfig(_Section):
    """One row of the model table; a plain string is the slug."""

    slug: types.Name
    aliases: types.Names = ()

    @model_validator(mode="before")
    @classmethod
    def _from_slug(cls, value: object) -> object:
        return {"slug": value} if isinstance(value, str) else value


class GptConfig(_Section):
    """One GPT of `gpts_file`; a plain string is the id."""

    id: types.GizmoId
    send_full: types.Flag = False

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, value: object) -> object:
        return {"id": value} if isinstance(value, str) else value


class ConversationConfig(_Section):
    """What happens to a conversation on the website."""

    delete_after_response: types.Flag = False
    temporary: types.Flag = False


class StreamConfig(_Section):
    """The pace of a streamed reply; 0 turns a pause or keep-alive off."""

    delay_seconds: types.SecondsOrZero = 0
    keep_alive_seconds: types.SecondsOrZero = 10
    keep_alive_chunk_seconds: types.SecondsOrZero = 30
    head_seconds: types.SecondsOrZero = 5


class MessagesConfig(_Section):
    """The Messages dialect: the model that `claude-…` names stand for, by family."""

    models: types.ClaudeModels = Field(default_factory=dict)


class ImagesConfig(_Section):
    """The image endpoint."""

    prompt_prefix: str = DEFAULT_PROMPT_PREFIX
    keep_alive: types.Flag = False
    upstream_links: types.Flag = False


class FilesConfig(_Section):
    """Stored pictures and files; with `link_seconds` 0 links never expire."""

    host_rewrite: types.HostRewrite = Field(default_factory=dict)
    keep_days: types.PositiveCount = 30
    max_store_bytes: types.PositiveCount = 10 * GIB
    link_seconds: types.SecondsOrZero = 0


class FetchConfig(_Section):
    """Files that a caller names by URL; empty `allow_hosts` allows any public host."""

    max_bytes: types.PositiveCount = 100 * MIB
    seconds: types.Seconds = 30
    resolve_seconds: types.Seconds = 5
    allow_hosts: types.Hosts = ()
    allow_private: types.Flag = False


class ResponsesConfig(_Section):
    """Kept responses and conversations; the oldest are removed first."""

    max_bytes_per_owner: types.PositiveCount = 64 * MIB
    max_bytes: types.PositiveCount = GIB


class ArkoseConfig(_Section):
    """Arkose token services of the operator, asked in order."""

    urls: types.Addresses = ()


class BotModeConfig(_Section):
    """What the bot profile shows (spec 7.3)."""

    enabled: types.Flag = False
    markdown_image_output: types.Flag = False
    plain_image_url_output: types.Flag = False
    bing_reference_output: types.Flag = False
    plugin_output: types.Flag = False


class StorageConfig(_Section):
    """Where state and files are kept."""

    state: types.StateAddress = "sqlite:data/state.db"
    blobs: types.BlobsAddress = "file:data"


class MetricsConfig(_Section):
    """`/metrics` for Prometheus."""

    enabled: types.Flag = True


class CallsConfig(_Section):
    """The log of calls (spec 17); bodies are the texts of requests and answers."""

    keep_days: types.PositiveCount = 30
    max_bytes: types.LogBytes = GIB
    keep_bodies: types.Flag = False


def default_models() -> dict[str, ModelConfig]:
    """Return the default model table of spec 5: public name to slug, with aliases."""
    return {
        "gpt-4-s": ModelConfig(slug="gpt-4", aliases=("gpt-4", "gpt-4-vision-preview")),
        "gpt-4-mobile": ModelConfig(slug="gpt-4", aliases=("dall-e-3",)),
        "gpt-3.5-turbo": ModelConfig(slug="gpt-4o-mini", aliases=()),
        "gpt-4o": ModelConfig(slug="gpt-4o", aliases=("gpt-4-o",)),
        "gpt-4o-mini": ModelConfig(slug="gpt-4o-mini", aliases=()),
        "o1-preview": ModelConfig(slug="o1-preview", aliases=()),
        "o1-mini": ModelConfig(slug="o1-mini", aliases=()),
    }


class Config(BaseModel):
    """All settings. `gpts` is the content of `gpts_file`; `path` the file that was read.

    `is_demo` and `is_codex_demo` tell that the address of the website, or of Codex's back end, was
    replaced by that of the built-in demo.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    codex: CodexConfig = CodexConfig()
    tokens: TokensConfig = TokensConfig()
    models: Annotated[dict[types.Name, ModelConfig], BeforeValidator(types.mapping)] = Field(
        default_factory=default_models
    )
    models_passthrough: types.Flag = True
    gpts_file: types.Name = DEFAULT_GPTS
    gpts_key: SecretStr = SecretStr("")
    conversation: ConversationConfig = ConversationConfig()
    stream: StreamConfig = StreamConfig()
    messages: MessagesConfig = MessagesConfig()
    images: ImagesConfig = ImagesConfig()
    files: FilesConfig = FilesConfig()
    fetch: FetchConfig = FetchConfig()
    responses: ResponsesConfig = ResponsesConfig()
    arkose: ArkoseConfig = ArkoseConfig()
    bot_mode: BotModeConfig = BotModeConfig()
    storage: StorageConfig = StorageConfig()
    metrics: MetricsConfig = MetricsConfig()
    calls: CallsConfig = CallsConfig()
    gpts: dict[types.Name, GptConfig] = Field(default_factory=dict)
    path: Path | None = None
    is_demo: bool = False
    is_codex_demo: bool = False


# Fields with what was read; they are not settings.
HIDDEN = frozenset({"gpts", "path", "is_demo", "is_codex_demo"})
SETTINGS = tuple(setting_names(Config, HIDDEN))
_ROW_SETTINGS = ("models.*.slug", "models.*.aliases", "gpts.*.id", "gpts.*.send_full")


def wants_demo(config: Config) -> bool:
    """Tell whether the built-in demo replaces an upstream."""
    return config.upstream.base_url == DEMO or wants_codex_demo(config)


def wants_codex_demo(config: Config) -> bool:
    """Tell whether the demo replaces Codex's back end: if named, or beside the website's."""
    base_url = config.codex.base_url
    return base_url == DEMO or (config.upstream.base_url == DEMO and base_url == CODEX_URL)


def kinds_taken(config: Config) -> frozenset[UpstreamKind]:
    """Return the upstreams that are not switched off."""
    is_taken = {
        UpstreamKind.WEBSITE: config.upstream.base_url != NONE,
        UpstreamKind.CODEX: bool(config.codex.base_url),
    }
    return frozenset(kind for kind, is_on in is_taken.items() if is_on)


def upstream_choice(
    tokens: TokensConfig, taken: frozenset[UpstreamKind] = ALL_KINDS
) -> UpstreamChoice:
    """Return the rule that picks the upstream of a credential, of those in `taken`."""
    return UpstreamChoice(tokens.codex_client_id, tokens.provider == "codex", taken)


class LoadedConfig(Struct, frozen=True):
    """The settings, and a note for each old name of the seed that was read."""

    config: Config
    notes: tuple[str, ...]


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Read, translate, merge and check all settings.

    Args:
        path: the settings file; None reads `config.yaml` of the current directory, if any.
        environ: variables to read; None reads those of the process.

    Raises:
        ConfigError: with one line for each thing that is wrong.
    """
    if path is None and Path(DEFAULT_FILE).is_file():
        path = Path(DEFAULT_FILE)
    file = translate(read_mapping(path) if path else {}, _default_slugs())
    variables = os.environ if environ is None else environ
    given = read_environment(variables, (*SETTINGS, *REMOVED))
    problems = [*file.problems, *(unknown(name, SETTINGS) for name in HIDDEN & set(file.tree))]
    problems += given.problems
    tree, removed = without_removed(merged(file.tree, given.tree))
    gpts = find_gpts(path, tree.get("gpts_file"), is_seed=bool(file.notes))
    tree |= {"gpts": read_mapping(gpts) if gpts else {}, "path": path}
    try:
        config = Config(**tree)
    except ValidationError as error:
        known = [*Config.model_fields.keys() - HIDDEN, *SETTINGS, *_ROW_SETTINGS, *SEED_NAMES]
        lines = from_validation(error, file.origins | given.origins, known)
        raise ConfigError([*problems, *lines]) from None
    return _with_models(config, file, problems, (*file.notes, *given.notes, *removed))


def _with_models(
    config: Config, file: SeedReading, problems: list[str], notes: tuple[str, ...]
) -> LoadedConfig:
    """Merge the rows that were given into the default table.

    A row that repeats a default takes no name from other rows, so that the whole table can stand in
    a settings file, as it does in the one that ships.
    """
    defaults = {name: _row(model) for name, model in default_models().items()}
    explicit = {
        name: _row(model)
        for name, model in config.models.items()
        if f"models.{name}" in file.origins or _row(model) != defaults.get(name)
    }
    origins = {name: file.origins.get(f"models.{name}", f"models.{name}") for name in explicit}
    problems += used_twice(explicit, origins, config.gpts)
    if not kinds_taken(config):
        problems.append(
            "codex.base_url: there is no upstream at all; upstream.base_url is none, too"
        )
    server = config.server
    if server.admin_key.get_secret_value() and server.api_prefix.partition("/")[0] == "admin":
        problems.append("server.api_prefix: with server.admin_key set, /admin/ is taken")
    if problems:
        raise ConfigError(problems)
    table = laid_over(defaults, explicit, file.replaced, config.gpts)
    models = {
        name: ModelConfig(slug=row.slug, aliases=row.aliases or ()) for name, row in table.items()
    }
    return LoadedConfig(config.model_copy(update={"models": models}), notes)


def _row(model: ModelConfig) -> ModelRow:
    return ModelRow(model.slug, model.aliases if "aliases" in model.model_fields_set else None)


def _default_slugs() -> dict[str, str]:
    return {name: model.slug for name, model in default_models().items()}
