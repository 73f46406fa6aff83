"""Sign-ins that the operator begins: seen by every process, ended by it, by time or by a stop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.admin.ports import SignIn, SignInState
from service.vocabulary.errors import QueueFullError, RequestError, StorageError, UpstreamError
from service.vocabulary.gateway_keys import Issuer
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from storage.state.journal import FileJournal
from storage.state.store import open_state
from tests.upstream.login.choosing import Choose
from upstream.login import device_code
from upstream.login.accounts import LoginAccounts
from upstream.login.device_code import LIFE_SECONDS
from upstream.login.issuer import LoginIssuer
from upstream.login.sign_ins import MAX_WAITING, DeviceSignIns
from upstream.tokens.cache import TokenCache, TokenStores

CIPHER = Cipher(b"the secret of a test")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer is asked again at once."""
    monkeypatch.setattr(device_code, "_INTERVALS", (0.01, 60.0))
    monkeypatch.setattr(device_code, "DEFAULT_INTERVAL", 0.01)


class Process:
    """The parts of one process."""

    def __init__(self, issuer: LoginIssuer, folder: Path, now: float = 0.0) -> None:
        self.file = KeyFile(folder / "keys.json", CIPHER)
        self.state = open_state(f"sqlite:{folder}/state.db", lambda _: None)
        journal = FileJournal(folder / "tokens")
        cache = TokenCache(TokenStores(self.state, journal, CIPHER, self.file.accounts), time.time)
        accounts = LoginAccounts(self.file.accounts, cache, Issuer.OPENAI)
        self.ahead = now
        self.sign_ins = DeviceSignIns(
            issuer, accounts, self.state, CIPHER, lambda: time.time() + self.ahead
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[DeviceSignIns]:
        task = asyncio.ensure_future(self.sign_ins.run())
        try:
            yield self.sign_ins
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.state.close()


def state_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("state.db*"))


async def over(sign_ins: DeviceSignIns, sign_in: SignIn) -> SignIn:
    """Wait for the end of a sign-in."""
    async with asyncio.timeout(20):
        while True:
            now = await sign_ins.find(sign_in.id)
            assert now is not None
            if now.state is not SignInState.WAITING:
                return now
            await asyncio.sleep(0.01)


async def test_it_waits_here_and_is_seen_from_every_process(
    issuer: LoginIssuer, tmp_path: Path
) -> None:
    one, other = Process(issuer, tmp_path), Process(issuer, tmp_path)
    async with one.running() as here, other.running() as there:
        begun = await here.begin("mine")
        assert begun.address == issuer.url("/codex/device")
        assert begun.user_code not in repr(begun)
        assert (await there.find(begun.id)) is not None
        end = await over(there, begun)
        assert end.state is SignInState.SIGNED_IN
        (account,) = other.file.accounts.listing()
        assert (account.name, account.id) == ("mine", end.account)
        assert not await there.is_over(account)
    assert begun.user_code.encode() not in state_in(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [("denied", "The sign-in was denied"), ("expired", "is no longer good")],
)
async def test_one_that_fails_says_why(
    issuer: LoginIssuer, choose: Choose, tmp_path: Path, outcome: str, problem: str
) -> None:
    await choose(outcome=outcome)
    process = Process(issuer, tmp_path)
    async with process.running() as sign_ins:
        end = await over(sign_ins, await sign_ins.begin(None))
    assert end.state is SignInState.FAILED
    assert problem in str(end.problem)
    assert process.file.accounts.listing() == []


@pytest.mark.parametrize("is_here", [True, False])
async def test_one_that_is_ended_signs_nobody_in_whichever_process_ends_it(
    issuer: LoginIssuer, choose: Choose, tmp_path: Path, is_here: bool
) -> None:
    await choose(outcome="never")
    one, other = Process(issuer, tmp_path), Process(issuer, tmp_path)
    async with one.running() as here, other.running() as there:
        begun = await here.begin(None)
        await asyncio.sleep(0.05)  # it waits by now
        await (here if is_here else there).end(begun.id)
        await choose(outcome="ok")
        assert (await over(there, begun)).state is SignInState.ENDED
        await asyncio.sleep(0.3)  # the code is typed in all the same
        assert (await over(here, begun)).state is SignInState.ENDED
    assert one.file.accounts.listing() == []


async def test_a_stop_and_a_death_are_told(
    issuer: LoginIssuer, choose: Choose, tmp_path: Path
) -> None:
    await choose(outcome="never")
    stopped, later = Process(issuer, tmp_path), Process(issuer, tmp_path)
    async with stopped.running() as sign_ins:
        begun = await sign_ins.begin(None)
        await asyncio.sleep(0.05)
    async with later.running() as sign_ins:
        end = await over(sign_ins, begun)
        assert end.state is SignInState.FAILED
        assert "was stopped while it waited" in str(end.problem)
        left = await sign_ins.begin(None)  # as if nobody waited for it: only time goes on
        later.ahead = LIFE_SECONDS + 1
        found = await sign_ins.find(left.id)
        assert found is not None
        assert (found.state, "15 minutes" in str(found.problem)) == (SignInState.FAILED, True)
        assert await sign_ins.find("none") is None
        await sign_ins.end("none")


async def test_what_cannot_begin_is_refused_with_its_reason(
    issuer: LoginIssuer, choose: Choose, tmp_path: Path
) -> None:
    process = Process(issuer, tmp_path)
    async with process.running() as sign_ins:
        await over(sign_ins, await sign_ins.begin("mine"))
        with pytest.raises(RequestError, match="another account has the name 'mine'") as refused:
            await sign_ins.begin("mine")
        assert refused.value.param == "name"
        await choose(outcome="off")
        with pytest.raises(UpstreamError, match="switched off"):
            await sign_ins.begin(None)
        await choose(outcome="never")
        for _ in range(MAX_WAITING):
            await sign_ins.begin(None)
        with pytest.raises(QueueFullError):
            await sign_ins.begin(None)


async def test_without_the_state_store_none_begins(
    issuer: LoginIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(issuer, tmp_path)

    async def refuse(*_: object) -> bool:
        return False

    monkeypatch.setattr(process.state, "set", refuse)
    async with process.running() as sign_ins:
        for _ in range(MAX_WAITING + 1):  # one that did not begin does not wait
            with pytest.raises(StorageError, match="does not answer"):
                await sign_ins.begin(None)


async def test_a_login_that_cannot_be_ended_keeps_its_account(
    issuer: LoginIssuer, tmp_path: Path
) -> None:
    process = Process(issuer, tmp_path)
    async with process.running() as sign_ins:
        await over(sign_ins, await sign_ins.begin(None))
        (account,) = process.file.accounts.listing()
        issuer.origin = "http://127.0.0.1:1"
        with pytest.raises(UpstreamError, match="Nothing was removed; with keep_tokens"):
            await sign_ins.remove(account, keeps_tokens=False)
        assert process.file.accounts.listing() == [account]
        await sign_ins.remove(account, keeps_tokens=True)
        assert process.file.accounts.listing() == []
