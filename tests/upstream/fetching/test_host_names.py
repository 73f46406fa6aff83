"""Looking up callers' host names, at the tests' own name server."""

import asyncio
from ipaddress import ip_address

import pytest

from tests.gateway import until
from tests.name_server import name_server
from tests.rows import each_row
from upstream.fetching import host_names as module
from upstream.fetching.host_names import HostNames, UnansweredError, UnresolvedError


@each_row(
    "spelling",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "017700000001"],
)
async def test_every_spelling_of_an_address_is_that_address_and_is_not_looked_up(spelling):
    async with name_server() as server, HostNames(5, **server.settings) as names:
        assert await names.addresses(spelling, 80) == [ip_address("127.0.0.1")]
        assert server.asked == []


@each_row("name", ["gone.test", "a" * 300, "", "bad host", "\x00", "\udc80"])
async def test_a_name_that_leads_nowhere_is_an_error(name):
    async with name_server(gone_test="") as server, HostNames(5, **server.settings) as names:
        with pytest.raises(UnresolvedError):
            await names.addresses(name, 80)


async def test_a_name_has_the_addresses_that_the_server_says():
    known = name_server(here_test="203.0.113.7")
    async with known as server, HostNames(5, **server.settings) as names:
        assert await names.addresses("here.test", 443) == [ip_address("203.0.113.7")]
        assert await names.addresses("localhost", 80)  # of /etc/hosts


async def test_a_name_that_is_never_answered_delays_no_other():
    # A datagram that found no room at a busy server is sent again soon.
    known = name_server(here_test="203.0.113.7")
    async with known as server, HostNames(60, **server.settings, timeout=0.5, tries=20) as names:
        asked = [names.addresses(f"silent-{number}.test", 80) for number in range(50)]
        silent = [asyncio.ensure_future(each) for each in asked]
        await until(lambda: len(set(server.asked)) == 50, 20)
        assert await names.addresses("here.test", 80)
        assert not any(one.done() for one in silent)
        for one in silent:
            one.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


async def test_a_name_that_is_never_answered_ends_in_time():
    async with name_server() as server, HostNames(0.1, **server.settings) as names:
        with pytest.raises(UnansweredError):
            await names.addresses("silent.test", 80)
        assert server.asked


@pytest.mark.whole  # it waits
async def test_look_ups_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_AT_ONCE", 3)
    known = name_server()
    async with known as server, HostNames(60, **server.settings, timeout=0.1, tries=50) as names:
        asked = [names.addresses(f"silent-{number}.test", 80) for number in range(20)]
        waiting = [asyncio.ensure_future(each) for each in asked]
        await until(lambda: len(server.asked) > 20, 20)  # each of them again and again
        assert len(set(server.asked)) == 3
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
