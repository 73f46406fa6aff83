from aiohttp import web

from service import keys


def test_each_key_is_named_as_its_constant() -> None:
    constants = {name: value for name, value in vars(keys).items() if name.isupper()}
    assert constants
    for name, key in constants.items():
        assert isinstance(key, web.AppKey)
        assert f".{name}, type=" in str(key)
