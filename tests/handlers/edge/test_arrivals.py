from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from handlers.edge.arrivals import arrival_of
from handlers.edge.record import RECORD, Record
from service.keys import CHOICE, CONFIG
from service.settings.config import Config
from service.vocabulary.credentials import Credential, UpstreamChoice
from service.vocabulary.requests import Profile


def test_an_arrival_has_the_request_and_what_the_settings_add() -> None:
    app = web.Application()
    app[CONFIG] = Config(server={"public_url": "https://gate.example"}, bot_mode={"enabled": True})
    app[CHOICE] = UpstreamChoice("app_codex")
    request = make_mocked_request("POST", "/", headers={"x-render-profile": "raw"}, app=app)
    request[RECORD] = Record("req_1", 12.5)
    arrival = arrival_of(request, Credential("fk-1", models=("gpt-4o",)))
    assert (arrival.request_id, arrival.received_at) == ("req_1", 12.5)
    assert arrival.public_url == "https://gate.example"
    assert arrival.default_profile is Profile.BOT
    assert arrival.profile_header == "raw"
    assert not arrival.is_native
    assert arrival.models == ("gpt-4o",)
