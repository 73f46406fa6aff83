"""What a login leaves behind, and how it goes again."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from msgspec import structs

from service.vocabulary.gateway_keys import Issuer
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from storage.state.journal import FileJournal
from storage.state.store import open_state
from tests.upstream.login.choosing import Choose
from upstream.login.accounts import LoginAccounts, TakenNameError, free_name
from upstream.login.device_code import DeviceLogin
from upstream.login.exchange import SignedIn, redeem
from upstream.login.issuer import LoginError, LoginIssuer
from upstream.tokens.cache import TokenCache, TokenStores

CIPHER = Cipher(b"the secret of a test")


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", CIPHER)


@pytest.fixture
async def tokens(tmp_path: Path, file: KeyFile) -> AsyncIterator[TokenCache]:
    state = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    stores = TokenStores(state, FileJournal(tmp_path / "tokens"), CIPHER, file.accounts)
    yield TokenCache(stores, time.time)
    await state.close()


@pytest.fixture
def accounts(file: KeyFile, tokens: TokenCache) -> LoginAccounts:
    return LoginAccounts(file.accounts, tokens, Issuer.OPENAI)


async def at_once(_seconds: float) -> None:
    """Wait for nothing."""


async def signed_in(issuer: LoginIssuer) -> SignedIn:
    login = DeviceLogin(issuer, sleep=at_once)
    return await redeem(issuer, await login.wait(await login.begin(), lambda _: None))


async def test_another_login_of_a_person_takes_the_place_of_the_first(
    accounts: LoginAccounts, issuer: LoginIssuer, file: KeyFile
) -> None:
    first = await accounts.keep(await signed_in(issuer), "mine")
    second = await accounts.keep(await signed_in(issuer), None)
    assert (first.name, second.name) == ("mine", "mine")
    assert first.id == second.id
    assert first.refresh_token != second.refresh_token
    assert file.accounts.listing() == [second]
    known = await accounts.known(second)
    assert known.exchanged is not None
    assert (await accounts.known(first)).exchanged is None


async def test_a_name_is_one_account_s_and_made_where_none_is_given(
    accounts: LoginAccounts, issuer: LoginIssuer, choose: Choose
) -> None:
    one = await accounts.keep(await signed_in(issuer), None)
    await choose(account="bo")
    with pytest.raises(TakenNameError, match="another account has the name 'codex'"):
        await accounts.keep(await signed_in(issuer), "codex")
    other = await accounts.keep(await signed_in(issuer), None)
    assert (one.name, other.name) == ("codex", "codex-2")
    await accounts.check_name("codex", one.id)
    with pytest.raises(TakenNameError):
        await accounts.check_name("codex")


async def test_a_login_ends_by_its_latest_token_at_its_own_issuer_only(
    accounts: LoginAccounts, issuer: LoginIssuer, file: KeyFile, session: ClientSession, demo: str
) -> None:
    account = await accounts.keep(await signed_in(issuer), None)
    with pytest.raises(LoginError, match="It signed in at the built-in demo, which is not where"):
        await accounts.end(structs.replace(account, issuer=Issuer.DEMO), issuer)
    await accounts.end(account, issuer)
    async with session.get(f"{demo}/demo/codex/stats") as response:
        assert (await response.json())["revocations"] == 1
    await accounts.remove(account)
    assert file.accounts.listing() == []
    assert (await accounts.known(account)).exchanged is None


@pytest.mark.parametrize(
    ("taken", "name"), [(set(), "a"), ({"b"}, "a"), ({"a"}, "a-2"), ({"a", "a-2", "a-4"}, "a-3")]
)
def test_a_free_name_is_the_first_that_is_free(taken: set[str], name: str) -> None:
    assert free_name("a", taken) == name
