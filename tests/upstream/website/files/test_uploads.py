import asyncio
import base64
import io
import json

import pytest
from aiohttp import ClientSession, web
from PIL import Image

from service.settings.config import FetchConfig, UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import RequestError, UpstreamRefusedError
from service.vocabulary.requests import FilePart
from tests.upstream.backends import CALLER, Scripted
from upstream.fetching.fetch import Fetcher
from upstream.fetching.host_names import HostNames
from upstream.website.files import uploads as module
from upstream.website.files.transfers import Transfers
from upstream.website.files.uploads import DOCUMENT_TYPES, UpstreamUploads

PATH = "messages[0].content[1].image_url.url"
# Stands for the file in the seed's documented example; any PDF will do.
PDF = b"%PDF-1.4\n%bitcoin\n%%EOF\n"


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "PNG")
    return buffer.getvalue()


def data_part(content, kind="image/png", path=PATH, filename=""):
    link = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return FilePart(path, data_url=link, filename=filename)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_POLL_SECONDS", 0.001)


@pytest.fixture
def make(state, tmp_path):
    def build(backend):
        config = FetchConfig.model_validate({"allow_private": True})
        fetcher = Fetcher(config, UpstreamConfig(), HostNames(config.resolve_seconds), tmp_path)
        return UpstreamUploads(backend, Transfers(backend), fetcher, state)

    return build


@pytest.fixture
def files(make, backend):
    return make(backend)


@pytest.fixture
def good(upstream):
    """Return an upstream that takes one file, `file-1`."""
    link = f"{upstream.base}/blob/1?sig=x"
    upstream.answers(
        "POST", "/backend-api/files", {"status": "success", "upload_url": link, "file_id": "file-1"}
    )
    upstream.answers("PUT", "/blob/1", (201, b""))
    upstream.answers("POST", "/backend-api/files/file-1/uploaded", {"status": "success"})
    upstream.answers(
        "GET",
        "/backend-api/files/file-1",
        {"retrieval_index_status": None},
        {"retrieval_index_status": "success", "file_token_size": 7},
    )
    return upstream


def calls(upstream):
    return [f"{request.method} {request.path}" for request in upstream.requests]


async def problem(files, *parts):
    with pytest.raises(RequestError) as caught:
        await files.upload_parts(CALLER, parts)
    error = caught.value
    assert (error.status, error.param) == (400, PATH)
    assert PATH in error.message
    assert not [w for w in ("each", "without", "not found", "too large") if w in error.message]
    return error.message


async def test_a_picture_goes_up_in_three_steps(good, files):
    content = png()
    (upload,) = (await files.upload_parts(CALLER, [data_part(content, filename="a.png")])).values()
    assert calls(good) == [
        "POST /backend-api/files",
        "PUT /blob/1",
        "POST /backend-api/files/file-1/uploaded",
    ]
    assert json.loads(good.bodies[0]) == {
        "file_name": "a.png",
        "file_size": len(content),
        "use_case": "multimodal",
        "width": 64,
        "height": 48,
    }
    assert good.bodies[1:] == [content, b"{}"]
    put = good.requests[1]
    assert put.headers["Content-Type"] == "image/png"
    assert (upload.file_id, upload.media_type, upload.width) == ("file-1", "image/png", 64)
    assert upload.is_picture


async def test_a_document_waits_for_its_index(good, files):
    (upload,) = (await files.upload_parts(CALLER, [data_part(PDF, "x/y")])).values()
    assert json.loads(good.bodies[0])["use_case"] == "my_files"
    assert calls(good).count("GET /backend-api/files/file-1") == 2
    assert (upload.token_count, upload.media_type) == (7, "application/pdf")
    assert not upload.is_picture


async def test_anything_else_goes_to_the_sandbox_with_an_empty_type(good, files):
    (upload,) = (await files.upload_parts(CALLER, [data_part(b"a,b\n1,2\n", "text/csv")])).values()
    assert json.loads(good.bodies[0])["use_case"] == "ace_upload"
    assert good.requests[1].headers["Content-Type"] == ""
    assert (upload.media_type, upload.name) == ("", "file.csv")


async def test_a_broken_picture_goes_as_a_plain_file(good, files):
    await files.upload_parts(CALLER, [data_part(png()[:-20])])
    announced = json.loads(good.bodies[0])
    assert announced["use_case"] == "ace_upload"
    assert "width" not in announced


async def test_the_list_of_documents_is_the_seeds():
    assert len(DOCUMENT_TYPES) == 20
    assert not any(kind.startswith("image/") for kind in DOCUMENT_TYPES)


async def test_a_file_of_this_account_is_confirmed_and_not_sent_again(good, files):
    await files.upload_parts(CALLER, [data_part(png())])
    good.requests.clear()
    (again,) = (await files.upload_parts(CALLER, [data_part(png(), filename="b.png")])).values()
    assert calls(good) == ["POST /backend-api/files/file-1/uploaded"]
    assert (again.file_id, again.name, again.width) == ("file-1", "b.png", 64)


async def test_another_account_sends_its_own(good, files):
    await files.upload_parts(CALLER, [data_part(png())])
    good.requests.clear()
    await files.upload_parts(Caller("t", None, "account-2"), [data_part(png())])
    assert "POST /backend-api/files" in calls(good)


@pytest.mark.parametrize("refusal", [(404, {"detail": "x"}), {"status": "error"}])
async def test_a_file_that_is_gone_is_sent_again(good, files, refusal):
    await files.upload_parts(CALLER, [data_part(png())])
    good.requests.clear()
    good.answers("POST", "/backend-api/files/file-1/uploaded", refusal, {"status": "success"})
    await files.upload_parts(CALLER, [data_part(png())])
    assert calls(good).count("PUT /blob/1") == 1


async def test_the_same_file_twice_in_one_body_goes_up_once(good, files):
    parts = [data_part(png(), path=f"p{n}") for n in range(6)]
    uploads = await files.upload_parts(CALLER, parts)
    assert len(uploads) == 6
    assert calls(good).count("PUT /blob/1") == 1


@pytest.mark.parametrize("refusal", [(400, {"detail": "gone"}), (404, {}), {"status": "error"}])
async def test_the_new_way_is_gone_when_the_old_one_is_refused(good, files, refusal):
    lines = [
        {"event": "file.processing.started"},
        {"event": "file.processing.metadata", "extra": {"total_tokens": 9}},
        {"event": "file.processing.completed", "progress": 100},
    ]
    body = b"\n".join(b"data: " + json.dumps(line).encode() for line in lines)
    good.answers("POST", "/backend-api/files/file-1/uploaded", refusal)
    good.answers("POST", "/backend-api/files/process_upload_stream", (200, body))
    (upload,) = (await files.upload_parts(CALLER, [data_part(PDF)])).values()
    assert upload.token_count == 9
    sent = json.loads(good.bodies[-1])
    assert sent["file_id"] == "file-1"
    assert sent["index_for_retrieval"] is True


async def test_a_file_that_is_taken_in_no_way_names_its_part(good, files):
    good.answers(
        "POST",
        "/backend-api/files/file-1/uploaded",
        {"status": "error", "error_code": "no_content"},
    )
    good.answers(
        "POST", "/backend-api/files/process_upload_stream", {"event": "file.processing.failed"}
    )
    assert "no_content" in await problem(files, data_part(PDF))


@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("POST", "/backend-api/files", (500, {"detail": "broken"})),
        ("POST", "/backend-api/files", (413, {"detail": "big"})),
        ("POST", "/backend-api/files", {"status": "error", "error_code": "quota"}),
        ("POST", "/backend-api/files", {"upload_url": "ftp://x/", "file_id": "file-1"}),
        ("POST", "/backend-api/files", {"upload_url": "http://127.0.0.1:9/", "file_id": "f"}),
        ("PUT", "/blob/1", (403, b"<Error>AuthenticationFailed</Error>")),
        ("PUT", "/blob/1", (503, b"")),
        ("POST", "/backend-api/files/file-1/uploaded", (500, {})),
        ("GET", "/backend-api/files/file-1", {"retrieval_index_status": "failed"}),
    ],
)
async def test_a_file_that_cannot_be_uploaded_names_its_part(good, files, method, path, fault):
    good.answers(method, path, fault)
    await problem(files, data_part(PDF))


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refused_token_and_a_limit_keep_their_status(good, files, status):
    good.answers("POST", "/backend-api/files", (status, {"detail": "x"}))
    with pytest.raises(UpstreamRefusedError) as caught:
        await files.upload_parts(CALLER, [data_part(PDF)])
    assert caught.value.status == status


async def test_a_store_that_knows_no_bearer_says_nothing_of_the_key(good, files):
    good.answers("PUT", "/blob/1", (401, b"<Error>no signature</Error>"))
    with pytest.raises(RequestError) as caught:
        await files.upload_parts(CALLER, [data_part(png())])
    assert (caught.value.status, caught.value.param) == (400, PATH)
    assert "file store" in caught.value.message


@pytest.mark.parametrize(
    "answer", [(404, {}), {"id": "file-1", "state": "ready"}, {"retrieval_index_status": "success"}]
)
async def test_an_upstream_that_has_no_index_is_not_waited_for(good, files, answer):
    good.answers("GET", "/backend-api/files/file-1", answer)
    (upload,) = (await files.upload_parts(CALLER, [data_part(PDF)])).values()
    assert upload.token_count is None


async def test_an_index_that_never_comes_does_not_stop_the_turn(good, files, monkeypatch, caplog):
    monkeypatch.setattr(module, "_INDEX_SECONDS", 0.02)
    good.answers("GET", "/backend-api/files/file-1", {"retrieval_index_status": "pending"})
    await files.upload_parts(CALLER, [data_part(PDF)])
    assert "late" in caplog.text


async def test_a_part_that_cannot_be_fetched_names_itself_and_stops_the_others(good, files):
    async def slow(_request):
        await asyncio.sleep(60)
        return web.Response()

    good.answers("PUT", "/blob/1", slow)
    other = data_part(png(), path="other")
    bad = FilePart(PATH, data_url="data:image/png;base64,!!!")
    async with asyncio.timeout(20):
        await problem(files, other, bad)


async def test_many_files_go_side_by_side_but_not_all_at_once(good, files):
    open_now, most = 0, 0

    async def counting(_request):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.02)
        open_now -= 1
        return web.Response(status=201)

    good.answers("PUT", "/blob/1", counting)
    parts = [data_part(b"x" * (n + 1), "text/csv", path=f"p{n}") for n in range(10)]
    uploads = await files.upload_parts(CALLER, parts)
    assert list(uploads) == [f"p{n}" for n in range(10)]
    assert 2 <= most <= 4


async def test_a_bug_in_one_upload_is_not_taken_for_the_callers_fault(files, monkeypatch):
    async def broken(*_args):
        raise LookupError

    monkeypatch.setattr(UpstreamUploads, "_upload", broken)
    with pytest.raises(ExceptionGroup):
        await files.upload_parts(CALLER, [data_part(png())])


@pytest.fixture
async def web_site(aiohttp_raw_server):
    site = Scripted()
    server = await aiohttp_raw_server(site.handle)
    site.base = f"http://127.0.0.1:{server.port}"
    return site


async def test_the_seeds_examples_work_against_the_demo(make, demo_backend, demo, web_site):
    web_site.answers("GET", "/bitcoin.pdf", (200, PDF))
    parts = [
        FilePart("a", url=f"{web_site.base}/bitcoin.pdf"),
        data_part(png(), path="b"),
        data_part(b"print(1)", "text/x-python", path="c", filename="x.py"),
    ]
    uploads = await make(demo_backend).upload_parts(CALLER, parts)
    assert [(u.name, u.use_case, u.media_type) for u in uploads.values()] == [
        ("bitcoin.pdf", "my_files", "application/pdf"),
        ("file.png", "multimodal", "image/png"),
        ("x.py", "ace_upload", ""),
    ]
    assert uploads["a"].token_count
    async with ClientSession() as session, session.get(f"{demo}/demo/stats") as response:
        stats = await response.json()
    assert stats["uploads"] == 3
