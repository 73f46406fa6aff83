"""The parts that every sign-in shares: the issuer, the stored account, its key, a model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct

from service.program.demo_child import pointed_at, told_demo
from service.program.kept import issuer_of, open_key_file, open_tokens
from service.settings.config import Config, wants_codex_demo
from service.vocabulary.credentials import Caller, UpstreamKind
from service.vocabulary.gateway_keys import Issuer, KeyTerms, StoredAccount
from storage.secrets.key_file import KeyFile
from upstream.codex.account.catalogue import CodexLists
from upstream.codex.account.models import first_shown
from upstream.codex.connection.backend import CodexBackend
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.login.accounts import LoginAccounts, TakenNameError, free_name
from upstream.login.exchange import SignedIn
from upstream.login.issuer import LoginError, LoginIssuer

_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - recognised, not bound
_NO_DEMO = (
    "The settings say that the built-in demo answers, and no gateway runs it in this directory: "
    "start one (make run), or to sign in at OpenAI set upstream.base_url to your proxy or to none."
)
_OFF = "codex.base_url is empty: set it, so that this gateway has the upstream of such accounts."


class SignInPlace(Struct, frozen=True):
    """Where accounts sign in, and the gateway they are for.

    `config` points at the demo where the gateway runs it; `api` is the base address of the
    gateway's API, such as `http://127.0.0.1:33333/v1`.
    """

    config: Config
    api: str

    @property
    def issuer(self) -> Issuer:
        """The issuer of the accounts."""
        return issuer_of(self.config)


class KeptAccount(Struct, frozen=True):
    """An account as it is stored now, and a key for it, which is shown once and not stored."""

    account: StoredAccount
    key: str
    earlier_keys: tuple[str, ...]


def sign_in_place(config: Config) -> SignInPlace:
    """Return the place where accounts sign in, by the settings.

    Raises:
        LoginError: nowhere, or at a demo that does not run.
    """
    if not config.codex.base_url:
        raise LoginError(_OFF)
    if not wants_codex_demo(config):
        return SignInPlace(config, _api(config))
    running = told_demo()
    if running is None:
        raise LoginError(_NO_DEMO)
    return SignInPlace(pointed_at(config, running.demo), running.gateway)


@asynccontextmanager
async def open_issuer(
    place: SignInPlace,
) -> AsyncIterator[tuple[LoginIssuer, aiohttp.ClientSession]]:
    """Open the connection to the issuer, and its session."""
    async with make_session(place.config.upstream) as session:
        yield LoginIssuer(place.config.tokens, session), session


async def keep_account(place: SignInPlace, signed_in: SignedIn, name: str | None) -> KeptAccount:
    """Store an account, in place of an earlier login of the same person, and make a key for it.

    Args:
        place: where accounts sign in.
        signed_in: the person who signed in.
        name: for the account and its key; None keeps the old name, or makes one.

    Raises:
        StorageError: the file of keys cannot be read or written.
        ValueError: another account has the name.
    """
    file = open_key_file(place.config)
    async with open_tokens(place.config) as tokens:
        accounts = LoginAccounts(file.accounts, tokens, place.issuer)
        try:
            account = await accounts.keep(signed_in, name)
        except TakenNameError as error:
            message = (
                f"{error}: run this again with another --name, or remove "
                f"that account first (accounts remove {name})"
            )
            raise ValueError(message) from error
    earlier_keys = keys_of(file, account)
    key_name = free_name(account.name, {key.name for key in file.listing()})
    key = file.add_for_account(KeyTerms(key_name, shows_account=True), account)
    return KeptAccount(account, key, earlier_keys)


def keys_of(file: KeyFile, account: StoredAccount) -> tuple[str, ...]:
    """Return the names of an account's keys."""
    return tuple(key.name for key in file.listing() if file.account_of(key) == account.id)


async def first_model(
    place: SignInPlace, session: aiohttp.ClientSession, signed_in: SignedIn
) -> str | None:
    """Return the first model listed for the account, None if no list can be fetched."""
    config = place.config
    http = Backend(config.upstream, Routes(config.codex.base_url), session)
    lists = CodexLists(CodexBackend(config.codex, http), config.codex.client_version)
    account_id = signed_in.account.account_id or None
    caller = Caller(signed_in.grant.access_token, account_id, "sign-in", UpstreamKind.CODEX)
    model = first_shown(await lists.models(caller) or ())
    return model.slug if model else None


def _api(config: Config) -> str:
    server = config.server
    host = _HOSTS.get(server.host, server.host)
    base = server.public_url.rstrip("/") or f"http://{host}:{server.port}"
    return f"{base}/{server.api_prefix}/v1" if server.api_prefix else f"{base}/v1"
