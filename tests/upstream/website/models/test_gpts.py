import msgspec
import pytest

from service.settings.config import GptConfig
from service.vocabulary.errors import AuthError, TokenServiceError
from tests.rows import each_row
from tests.upstream.backends import CALLER
from upstream.website.models.gpts import GptInformation, Gpts, bare_id
from upstream.website.payload.turn_body import ResolvedModel

CLASSIC = {"gizmo": {"id": "g-YyyyMT9XH", "display": {"name": "Classic"}}, "tools": []}
CLASSIC_PATH = "/backend-api/gizmos/g-YyyyMT9XH"


class Tokens:
    """Exchanges only the one key that it knows."""

    def __init__(self, error=None):
        self.error = error
        self.keys = []

    async def caller(self, credential):
        self.keys.append(credential.token)
        if self.error:
            raise self.error
        return CALLER


@pytest.fixture
def make(backend, state):
    def build(gpts, key="key", tokens=None):
        configs = {name: GptConfig.model_validate(gpt) for name, gpt in gpts.items()}
        return Gpts(configs, key, backend, state, tokens or Tokens())

    return build


@each_row(
    ("written", "bare"),
    [
        ("g-CFsXuTRfy", "g-CFsXuTRfy"),
        ("g-CFsXuTRfy-pandoranextzhu-shou", "g-CFsXuTRfy"),
        ("g-CFsXuTRfy-中文", "g-CFsXuTRfy"),
        ("g-p-" + "0a" * 16, "g-p-" + "0a" * 16),
        ("g-p-" + "0a" * 16 + "-my-project", "g-p-" + "0a" * 16),
        ("g-p-short", None),
        ("g-", None),
        ("x-CFsXuTRfy", None),
        ("g-CFs/../me", None),
        ("", None),
    ],
)
def test_an_id_loses_its_slug(written, bare):
    assert bare_id(written) == bare


async def test_a_name_stands_for_the_id_without_its_slug(make):
    gpts = make({"classic": "g-YyyyMT9XH-chatgpt-classic"})
    assert await gpts.resolve("classic", CALLER) == ResolvedModel("gpt-4o", "g-YyyyMT9XH")
    assert await gpts.resolve("other", CALLER) is None


async def test_a_model_name_may_spell_an_id_out(make):
    gpts = make({})
    found = await gpts.resolve("gpt-4-gizmo-g-CFsXuTRfy-pandoranextzhu-shou", CALLER)
    assert found == ResolvedModel("gpt-4o", "g-CFsXuTRfy")
    assert await gpts.resolve("gpt-4-gizmo-else", CALLER) is None
    assert await gpts.resolve("g-CFsXuTRfy", CALLER) is None


async def test_the_whole_object_is_sent_only_where_it_is_asked_for(make, upstream):
    upstream.answers("GET", CLASSIC_PATH, CLASSIC)
    gpts = make({"classic": {"id": "g-YyyyMT9XH", "send_full": True}, "b": "g-YyyyMT9XH"})
    await gpts.start()
    expected = ResolvedModel("gpt-4-gizmo", "g-YyyyMT9XH", CLASSIC)
    assert await gpts.resolve("classic", CALLER) == expected
    assert (await gpts.resolve("b", CALLER)).gizmo is None
    assert len(upstream.requests) == 1


async def test_without_a_key_a_gpt_is_listed_and_its_object_read_by_the_caller(make, upstream):
    upstream.answers("GET", CLASSIC_PATH, (500, {}), CLASSIC)
    gpts = make({"classic": {"id": "g-YyyyMT9XH", "send_full": True}}, key="")
    await gpts.start()
    assert upstream.requests == []
    assert gpts.names() == ["classic"]
    assert await gpts.resolve("classic", CALLER) == ResolvedModel("gpt-4o", "g-YyyyMT9XH")
    assert (await gpts.resolve("classic", CALLER)).gizmo == CLASSIC


async def test_a_gpt_that_cannot_be_read_is_left_out_with_a_warning_and_still_works(
    make, upstream, caplog
):
    upstream.answers("GET", CLASSIC_PATH, CLASSIC)
    gpts = make({"classic": "g-YyyyMT9XH", "lost": "g-lost12345"})
    await gpts.start()
    assert gpts.names() == ["classic"]
    assert "g-lost12345" in caplog.text
    assert (await gpts.resolve("lost", CALLER)).gizmo_id == "g-lost12345"
    upstream.answers("GET", "/backend-api/gizmos/g-lost12345", {"gizmo": {}})
    await gpts.renew()
    assert gpts.names() == ["classic", "lost"]


async def test_information_survives_a_restart_and_is_renewed_on_demand(make, upstream, state):
    upstream.answers("GET", CLASSIC_PATH, CLASSIC)
    await make({"classic": "g-YyyyMT9XH"}).start()
    again = make({"classic": "g-YyyyMT9XH"})
    await again.start()
    assert len(upstream.requests) == 1
    await again.renew()
    assert len(upstream.requests) == 2
    kept = msgspec.json.decode(await state.get("gpt:g-YyyyMT9XH"), type=GptInformation)
    assert kept.answer == CLASSIC


async def test_what_was_known_stays_listed_when_a_renewal_fails(make, upstream):
    upstream.answers("GET", CLASSIC_PATH, CLASSIC, (500, {}))
    gpts = make({"classic": "g-YyyyMT9XH"})
    await gpts.start()
    await gpts.renew()
    assert gpts.names() == ["classic"]


async def test_kept_information_that_cannot_be_read_is_read_anew(make, upstream, state):
    await state.set("gpt:g-YyyyMT9XH", b"__import__('os')")
    upstream.answers("GET", CLASSIC_PATH, CLASSIC)
    await make({"classic": "g-YyyyMT9XH"}).start()
    assert len(upstream.requests) == 1


async def test_a_key_that_cannot_be_exchanged_now_is_a_warning(make, upstream, caplog):
    gpts = make({"classic": "g-YyyyMT9XH"}, tokens=Tokens(TokenServiceError("busy")))
    await gpts.start()
    assert gpts.names() == ["classic"]
    assert upstream.requests == []
    assert "gpts_key" in caplog.text


@pytest.mark.parametrize("key", ["refused-key", "malformed key with blanks"])
async def test_with_a_dead_key_no_gpt_can_be_read(make, caplog, key):
    gpts = make({"classic": "g-YyyyMT9XH"}, key, Tokens(AuthError("dead")))
    await gpts.start()
    assert gpts.names() == []
    assert "gpts_key" in caplog.text
    assert key not in caplog.text
    assert (await gpts.resolve("classic", CALLER)).gizmo_id == "g-YyyyMT9XH"
