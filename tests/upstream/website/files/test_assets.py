import asyncio
import io
import re

import pytest
from PIL import Image

from service.sink import put
from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageFullError
from service.vocabulary.events import (
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    LinkForm,
    Outcome,
    TurnEnded,
)
from service.vocabulary.requests import ChatRequest, Profile
from storage.files.blobs import FileBlobs
from tests.sinks import Kept
from tests.upstream.backends import CALLER
from upstream.website.files import assets as module
from upstream.website.files.assets import ResolvedAssets, UpstreamAssets, sources_of
from upstream.website.files.transfers import Transfers

NATIVE = "file_" + "0a" * 16
CLASSIC = "file-AbCdEfGhIjKlMnOpQrStUvWx"
GATEWAY = "http://gw.example"
NATIVE_ROUTES = (
    f"/backend-api/conversation/c-1/attachment/{NATIVE}/download",
    f"/backend-api/files/download/{NATIVE}",
    f"/backend-api/files/{NATIVE}/download",
)
CLASSIC_ROUTES = (
    f"/backend-api/files/{CLASSIC}/download",
    f"/backend-api/files/download/{CLASSIC}",
)
SANDBOX = "/backend-api/conversation/c-1/interpreter/download"

ASKED = ChatRequest(
    request_id="r",
    model="gpt-4o",
    messages=(),
    is_stream=False,
    is_usage_wanted=False,
    profile=Profile.WEB,
    public_url="u",
    received_at=0.0,
)


def picture(pointer):
    return AssetWanted(AssetKind.PICTURE, pointer, "c-1", "m-1")


def file(path):
    return AssetWanted(AssetKind.FILE, path, "c-1", "m-1", form=LinkForm.TARGET)


def drawn(image_format="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, image_format)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.02)


@pytest.fixture
def blobs(tmp_path):
    return FileBlobs(tmp_path / "data")


@pytest.fixture
def make(backend, blobs):
    def build(**settings):
        return UpstreamAssets(backend, Transfers(backend), blobs, **settings)

    return build


@pytest.fixture
def holding(upstream):
    """Return an upstream with one body behind a link."""
    upstream.answers("GET", "/blob/1", (200, drawn()))
    upstream.link = f"{upstream.base}/blob/1?sig=x"
    return upstream


def success(upstream, **more):
    return {"status": "success", "download_url": upstream.link, **more}


async def content_of(blobs, folder, ready):
    found = await blobs.find(folder, ready.url.rsplit("/", 1)[-1])
    return await read_all(found.content)


@pytest.mark.parametrize(
    ("pointer", "route"),
    [
        *((f"sediment://{NATIVE}", route) for route in NATIVE_ROUTES),
        *((f"file-service://{CLASSIC}", route) for route in CLASSIC_ROUTES),
        (f"file-service://{CLASSIC}?x=1#y", CLASSIC_ROUTES[0]),
    ],
)
async def test_a_picture_is_found_by_whichever_route_knows_it(holding, make, blobs, pointer, route):
    holding.answers("GET", route, success(holding))
    ready = await make().resolve(CALLER, picture(pointer), GATEWAY)
    assert ready.problem == ""
    assert ready.url.startswith(f"{GATEWAY}/images/")
    assert ready.url.endswith(".png")
    assert ready.media_type == "image/png"
    assert await content_of(blobs, "images", ready) == drawn()


async def test_links_to_copies_are_signed_and_names_are_not(holding, make):
    holding.answers("GET", CLASSIC_ROUTES[0], success(holding))
    holding.answers("GET", SANDBOX, success(holding, file_name="a.csv"))
    signing = make(sign=lambda path: f"{path}?signed")
    ready = await signing.resolve(CALLER, picture(f"file-service://{CLASSIC}"), GATEWAY)
    assert re.fullmatch(rf"{GATEWAY}/images/[0-9a-f]{{32}}\.png\?signed", ready.url)
    assert ready.url == f"{GATEWAY}/images/{ready.name}?signed"
    ready = await signing.resolve(CALLER, file("/mnt/data/a.csv"), GATEWAY)
    assert re.fullmatch(rf"{GATEWAY}/files/[0-9a-f]{{32}}\.csv\?signed", ready.url)
    assert ready.name == "a.csv"


async def test_routes_are_asked_the_likeliest_first(holding, make):
    for routes, pointer in (
        (NATIVE_ROUTES, f"sediment://{NATIVE}"),
        (CLASSIC_ROUTES, f"file-service://{CLASSIC}"),
    ):
        holding.requests.clear()
        await make().resolve(CALLER, picture(pointer), GATEWAY)
        assert tuple(request.path for request in holding.requests) == routes


async def test_without_a_conversation_a_native_picture_is_asked_for_by_its_id():
    wanted = AssetWanted(AssetKind.PICTURE, f"sediment://{NATIVE}", "", "")
    assert [source.path for source in sources_of(wanted)] == [
        f"files/download/{NATIVE}",
        f"files/{NATIVE}/download",
    ]


async def test_ids_from_outside_stay_one_step_of_the_path():
    wanted = AssetWanted(AssetKind.PICTURE, "file-service://../me", "../c", "m")
    assert [source.path for source in sources_of(wanted)] == [
        "files/..%2Fme/download",
        "files/download/..%2Fme",
    ]


async def test_a_route_whose_link_is_dead_gives_way_to_the_next(holding, make):
    dead = {"status": "success", "download_url": f"{holding.base}/gone"}
    holding.answers("GET", CLASSIC_ROUTES[0], dead)
    holding.answers("GET", CLASSIC_ROUTES[1], success(holding))
    ready = await make().resolve(CALLER, picture(f"file-service://{CLASSIC}"), GATEWAY)
    assert ready.url


async def test_a_picture_that_is_no_web_format_becomes_a_png(holding, make, blobs):
    holding.answers("GET", "/blob/1", (200, drawn("BMP")))
    holding.answers("GET", CLASSIC_ROUTES[0], success(holding))
    ready = await make().resolve(CALLER, picture(f"file-service://{CLASSIC}"), GATEWAY)
    assert (await content_of(blobs, "images", ready)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><title>Just a moment...", b'{"detail": "gone"}', "你好".encode()],
)
async def test_words_under_a_good_status_are_no_picture(holding, make, tmp_path, content):
    holding.answers("GET", "/blob/1", (200, content))
    holding.answers("GET", CLASSIC_ROUTES[0], success(holding))
    ready = await make().resolve(CALLER, picture(f"file-service://{CLASSIC}"), GATEWAY)
    assert (ready.url, ready.problem) == (
        "",
        "The upstream gave something else in the picture's place.",
    )
    assert not list(tmp_path.rglob("*.png"))


async def test_a_sandbox_file_is_stored_under_its_own_name(holding, make, blobs):
    holding.answers("GET", "/blob/1", (200, b"a,b\n"))
    holding.answers("GET", SANDBOX, success(holding, file_name="x y.csv", mime_type="text/csv"))
    ready = await make().resolve(CALLER, file("/mnt/data/x y.csv"), GATEWAY)
    assert ready.url.startswith(f"{GATEWAY}/files/")
    assert ready.url.endswith(".csv")
    assert (ready.name, ready.media_type) == ("x y.csv", "text/csv")
    assert await content_of(blobs, "files", ready) == b"a,b\n"
    query = holding.requests[0].query
    assert (query["message_id"], query["sandbox_path"]) == ("m-1", "/mnt/data/x y.csv")


async def test_a_path_is_asked_for_as_written_and_then_unescaped(holding, make):
    holding.answers(
        "GET", SANDBOX, {"status": "error", "error_code": "file_not_found"}, success(holding)
    )
    ready = await make().resolve(CALLER, file("/mnt/data/x%20y.csv"), GATEWAY)
    assert ready.url
    asked = [request.query["sandbox_path"] for request in holding.asked("GET", SANDBOX)]
    assert asked == ["/mnt/data/x%20y.csv", "/mnt/data/x y.csv"]


async def test_half_a_surrogate_pair_in_a_path_is_asked_for_replaced(holding, make):
    ready = await make().resolve(CALLER, file("/mnt/data/\ud800.csv"), GATEWAY)
    assert ready.problem
    assert holding.requests[0].query["sandbox_path"] == "/mnt/data/\ufffd.csv"


async def test_a_file_that_is_not_ready_is_asked_for_again(holding, make):
    retry = {"status": "retry"}
    holding.answers("GET", SANDBOX, retry, retry, success(holding))
    ready = await make().resolve(CALLER, file("/mnt/data/x.csv"), GATEWAY)
    assert ready.url


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": "error", "error_code": "ace_pod_expired"}, "sandbox that held this file has expired"),
        ({"status": "error", "error_code": "file_not_found"}, "does not have this file"),
        ({"status": "error", "error_code": "odd", "error_message": "odd\nwords"}, "odd words"),
        ({"status": "error"}, "no link"),
        ({"status": "success", "download_url": None}, "no link"),
        ({"status": "success", "download_url": "ftp://x/"}, "neither http nor https"),
        ({"status": "retry"}, "not ready"),
        ((404, {"detail": {"code": "ace_pod_expired"}}), "has expired"),
        ((404, {"detail": "gone"}), "does not have this file"),
        ((410, b""), "has expired"),
        ((500, {"detail": "broken"}), "broken"),
        ((401, {"detail": "Unauthorized"}), "Unauthorized"),
    ],
)  # fmt: skip
async def test_a_file_that_cannot_be_had_says_why(holding, make, caplog, answer, words):
    holding.answers("GET", SANDBOX, answer)
    ready = await make().resolve(CALLER, file("/mnt/data/x.csv"), GATEWAY)
    assert ready.url == ""
    assert words in ready.problem
    assert "\n" not in ready.problem
    assert words in caplog.text
    assert CALLER.access_token not in caplog.text


async def test_a_dead_upstream_and_a_full_disk_are_problems_and_no_errors(holding, backend):
    class Full:
        async def save(self, *_args):
            raise StorageFullError("The file could not be stored: No space left on device.")

    holding.answers("GET", SANDBOX, success(holding))
    assets = UpstreamAssets(backend, Transfers(backend), Full())
    ready = await assets.resolve(CALLER, file("/mnt/data/x.csv"), GATEWAY)
    assert "could not be stored" in ready.problem
    assert ready.fault is not None
    assert (ready.fault.status, ready.fault.message) == (507, ready.problem)


async def test_upstream_links_are_handed_out_and_nothing_is_stored(holding, make, tmp_path):
    holding.answers("GET", CLASSIC_ROUTES[0], success(holding))
    wanted = picture(f"file-service://{CLASSIC}")
    ready = await make(hands_out_links=True).resolve(CALLER, wanted, GATEWAY)
    assert ready.url == holding.link
    assert holding.asked("GET", "/blob/1") == []
    assert not (tmp_path / "data").exists()


async def test_a_copy_that_is_needed_is_made_nevertheless(holding, make, blobs):
    holding.answers("GET", CLASSIC_ROUTES[0], success(holding))
    wanted = picture(f"file-service://{CLASSIC}")
    assets = make(hands_out_links=True)
    ready = await assets.resolve(CALLER, wanted, GATEWAY, needs_copy=True)
    assert ready.url.startswith(GATEWAY)
    assert await blobs.find("images", ready.name) is not None


async def test_a_relative_upstream_link_is_completed(holding, make):
    link = "/backend-api/estuary/content?id=1"
    holding.answers("GET", CLASSIC_ROUTES[0], {"status": "success", "download_url": link})
    wanted = picture(f"file-service://{CLASSIC}")
    ready = await make(hands_out_links=True).resolve(CALLER, wanted, GATEWAY)
    assert ready.url == holding.base + link


class Slow:
    """Assets that are ready after a while, or never."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.running = 0
        self.most = 0
        self.asked: list[str] = []

    async def resolve(self, caller, wanted, public_url, **_options):
        self.asked.append(wanted.pointer)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        return AssetReady(wanted, f"{public_url}/{caller.account}/{wanted.pointer}")


END = TurnEnded(Outcome.COMPLETE, "stop")


def resolved(assets: Slow) -> tuple[ResolvedAssets, Kept]:
    kept = Kept()
    return ResolvedAssets(kept, assets, CALLER, ASKED), kept


async def test_what_stands_before_goes_out_at_once_and_what_comes_after_waits_in_order():
    assets = Slow()
    sink, kept = resolved(assets)
    sink.feed([AnswerText("a"), picture("1"), picture("2"), AnswerText("b"), picture("3")])
    assert not sink.is_ready()
    waiting = asyncio.ensure_future(put(sink, [END]))
    await asyncio.sleep(0.01)
    assert kept.batches == [[AnswerText("a")]]
    assert assets.most == 2
    assets.gate.set()
    await waiting
    urls = [[getattr(delta, "url", delta) for delta in batch] for batch in kept.batches[1:]]
    account = CALLER.account
    assert urls == [
        [f"u/{account}/1", f"u/{account}/2", AnswerText("b")],
        [f"u/{account}/3"],
        [END],
    ]


async def test_what_is_named_twice_is_fetched_once():
    assets = Slow()
    assets.gate.set()
    sink, kept = resolved(assets)
    await put(sink, [picture("1"), picture("1"), AnswerText("b"), picture("1"), END])
    ready = [delta for batch in kept.batches for delta in batch if isinstance(delta, AssetReady)]
    assert len(ready) == 3
    assert assets.asked == ["1"]


def test_a_batch_without_assets_passes_at_once_as_it_is():
    batch = [AnswerText("a"), END]
    sink, kept = resolved(Slow())
    sink.feed(batch)
    assert sink.is_ready()
    assert kept.batches == [batch]


async def test_leaving_early_cancels_the_fetch():
    assets = Slow()
    sink, _ = resolved(assets)
    task = asyncio.ensure_future(put(sink, [picture("1"), picture("2")]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert assets.running == 0
