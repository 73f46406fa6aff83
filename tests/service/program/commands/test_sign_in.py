"""What a sign-in is made of: where, for which gateway."""

import os

import pytest

from service.program.commands.sign_in import sign_in_place
from service.program.demo_child import RunningDemo, told
from service.settings.config import Config
from service.vocabulary.gateway_keys import Issuer
from tests.rows import each_row
from upstream.login.issuer import LoginError


@each_row(
    ("server", "api"),
    [
        ({}, "http://127.0.0.1:33333/v1"),
        ({"host": "::", "port": 1}, "http://[::1]:1/v1"),
        ({"host": "10.0.0.1", "api_prefix": "abc"}, "http://10.0.0.1:33333/abc/v1"),
        ({"public_url": "https://gpt.example.org/"}, "https://gpt.example.org/v1"),
    ],
)
def test_the_gateway_is_where_the_settings_say(server: dict[str, object], api: str) -> None:
    place = sign_in_place(Config(server=server, upstream={"base_url": "none"}))
    assert place.api == api
    assert place.issuer is Issuer.OPENAI
    assert place.config.tokens.codex_url == "https://auth.openai.com/oauth/token"


def test_the_demo_is_where_a_running_gateway_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with told(RunningDemo("http://127.0.0.1:1", "http://127.0.0.1:2/v1", os.getpid())):
        place = sign_in_place(Config())
        assert (place.issuer, place.api) == (Issuer.DEMO, "http://127.0.0.1:2/v1")
        assert place.config.tokens.codex_url == "http://127.0.0.1:1/oauth/token"
    with pytest.raises(LoginError, match="no gateway runs it"):
        sign_in_place(Config())


def test_a_proxy_of_the_website_leaves_codex_the_real_one() -> None:
    place = sign_in_place(Config(upstream={"base_url": "https://proxy.example.org"}))
    assert place.issuer is Issuer.OPENAI
