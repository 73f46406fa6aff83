import asyncio
import base64
import gzip
import hashlib
import re
import resource
import ssl
from ipaddress import ip_address

import pytest
from aiohttp import web

from service.settings.config import FetchConfig, UpstreamConfig
from service.vocabulary.errors import RequestError, StorageError, StorageFullError
from service.vocabulary.requests import FilePart, LocalFile, RemoteFile, Upload
from tests.name_server import name_server
from tests.service.vocabulary.test_byte_source import Held
from tests.upstream.trap import running_trap
from tests.upstream.tunnels import Socks, make_identity
from upstream.fetching import fetch as module
from upstream.fetching.fetch import MAX_REDIRECTS, Fetcher
from upstream.fetching.host_names import HostNames

PATH = "messages[0].content[1].image_url.url"
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
# Words that clients misunderstand in the message of a 400 (openai-wire 3).
FORBIDDEN = ("too large", "not found", "each", "must have", "without", "429", "rate limit")

HOSTILE_HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "127.127.127.127", "2130706433", "0x7f000001", "0x7F.0.0.1",
    "0x7f.1", "0177.0.0.1", "0177.1", "017700000001", "00000177.0.0.1", "127.0.0.1.", "0", ".".join("0000"),
    "0x0", "localhost", "LOCALHOST", "localhost.", "LocalHost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]",
    "[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2001:0:7f00:1::1]", "[fe80::1]", "[fe80::1%25lo]",
    "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[100::1]", "[2001:db8::1]",
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "169.254.170.2", "2852039166",
    "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "100.64.0.1", "100.100.100.200",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255",
    "240.0.0.1", "192.88.99.1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "127%2e0%2e0%2e1",
    "127.0.0.1%00.example.com", "%6cocalhost", "a.invalid", "\\127.0.0.1", "127.0.0.1\\.example.com",
]  # fmt: skip
HOSTILE_LINKS = [
    "http://user@127.0.0.1:{port}/", "http://8.8.8.8:{port}@127.0.0.1:{port}/",
    "http://u:p@example.com/", "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/", "http://example.com\\@127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "file:///etc/passwd",
    "//127.0.0.1:{port}/", "http:127.0.0.1:{port}", "http:///127.0.0.1:{port}", "https://", "http://",
    "unix:///var/run/docker.sock", "javascript:alert(1)", "http://127.0.0.1:99999/",
    "http://[127.0.0.1]:{port}/", "http://[::1", "jar:http://127.0.0.1:{port}!/", "\ud800",
    " http://127.0.0.1:{port}/ ", "http://\t127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/",
]  # fmt: skip


class Site:
    """A web server with an answer for each path."""

    def __init__(self):
        self.steps = {}
        self.requests = []

    async def handle(self, request):
        self.requests.append(request)
        step = self.steps[request.path]
        return await step(request) if callable(step) else step


def answer(body=PNG, status=200, **headers):
    async def step(_request):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=named)

    return step


@pytest.fixture
async def site(aiohttp_raw_server):
    made = Site()
    server = await aiohttp_raw_server(made.handle)
    made.port = server.port
    made.base = f"http://127.0.0.1:{server.port}"
    return made


@pytest.fixture
def make(tmp_path):
    def build(proxy="", names=None, **settings):
        config = FetchConfig.model_validate({"allow_private": True, "seconds": 5} | settings)
        upstream = UpstreamConfig(connect_seconds=1, proxy=proxy)
        return Fetcher(config, upstream, names or HostNames(config.resolve_seconds), tmp_path)

    return build


def part(link="", **fields):
    return FilePart(PATH, url=link, **fields)


async def fetched(fetcher, wanted):
    async with fetcher.open(wanted) as file:
        content = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
        return file, content


async def problem(fetcher, wanted):
    with pytest.raises(RequestError) as caught:
        await fetched(fetcher, wanted)
    error = caught.value
    assert (error.status, error.param, error.code) == (400, PATH, "invalid_attachment")
    assert PATH in error.message
    assert not [word for word in FORBIDDEN if word in error.message.lower()]
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|::", error.message)
    return error.message


@pytest.fixture
async def trap():
    """Listen on every loopback address and count the connections."""
    async with running_trap() as caught:
        yield caught


async def test_no_hostile_address_gets_a_packet(make, trap):
    port, visits = trap
    links = [f"http://{host}:{port}/" for host in HOSTILE_HOSTS]
    links += [link.replace("{port}", str(port)) for link in HOSTILE_LINKS]
    assert len(links) > 80
    fetcher = make(allow_private=False, seconds=3)
    for link in links:
        await problem(fetcher, part(link))
    assert visits == []


async def test_a_redirect_to_a_private_address_gets_no_packet(make, trap, site, monkeypatch):
    port, visits = trap
    open_internet = ip_address("127.0.0.1")  # stands for a public address: the site is there
    monkeypatch.setattr(module, "is_public", lambda address: address == open_internet)
    targets = (f"http://127.0.0.2:{port}/", f"//[::1]:{port}/", f"http://0x7f000002:{port}/")
    for target in targets:
        site.steps["/"] = answer(b"", 302, Location=target)
        assert "not on a public host" in await problem(
            make(allow_private=False), part(f"{site.base}/")
        )
    assert len(site.requests) == len(targets)
    assert visits == []


async def test_a_host_with_one_private_address_is_refused_whole(make, trap, monkeypatch):
    port, visits = trap
    both = [ip_address("8.8.8.8"), ip_address("127.0.0.1")]
    monkeypatch.setattr(HostNames, "addresses", _answers({"mixed.test": both}))
    await problem(make(allow_private=False), part(f"http://mixed.test:{port}/"))
    assert visits == []


def _answers(table):
    async def resolve(_names, host, _port):
        return table[host]

    return resolve


async def test_the_name_is_looked_up_once_and_sent_only_as_the_host(make, site, monkeypatch):
    lookups = []

    async def resolve(_names, host, port):
        lookups.append((host, port))
        return [ip_address("127.0.0.1")]

    monkeypatch.setattr(HostNames, "addresses", resolve)
    site.steps["/p"] = answer()
    await fetched(make(), part(f"http://Only-Here.test:{site.port}/p"))
    assert lookups == [("only-here.test", site.port)]
    assert site.requests[0].headers["Host"] == f"only-here.test:{site.port}"


async def test_the_next_address_is_tried_when_one_does_not_answer(make, site, monkeypatch):
    pair = [ip_address("127.0.0.3"), ip_address("127.0.0.1")]
    monkeypatch.setattr(HostNames, "addresses", _answers({"two.test": pair}))
    site.steps["/"] = answer()
    _, content = await fetched(make(), part(f"http://two.test:{site.port}/"))
    assert content == PNG


async def test_a_name_that_is_never_answered_is_told_in_time(make):
    async with name_server() as server, HostNames(0.1, **server.settings) as names:
        told = await problem(make(names=names), part("http://silent.test/a.png"))
        assert "no name server" in told
        assert server.asked


async def test_a_file_is_held_on_disk_and_removed(make, site, tmp_path):
    site.steps["/dir/photo.png"] = answer(Content_Type="text/plain")
    async with make().open(part(f"{site.base}/dir/photo.png?x=1")) as file:
        assert file.source.read_bytes() == PNG
        assert file.source.parent == tmp_path
        assert (file.media_type, file.name) == ("image/png", "photo.png")
        assert file.size_bytes == len(PNG)
        assert file.sha256 == hashlib.sha256(PNG).hexdigest()
    assert list(tmp_path.iterdir()) == []


async def test_no_credential_and_no_cookie_is_sent(make, site):
    site.steps["/a"] = answer(b"", 302, Location="/b", Set_Cookie="x=1")
    site.steps["/b"] = answer()
    await fetched(make(), part(f"{site.base}/a"))
    for request in site.requests:
        assert "Authorization" not in request.headers
        assert "Cookie" not in request.headers
        assert "Referer" not in request.headers


async def test_names_and_types_come_from_the_headers_where_the_content_says_nothing(make, site):
    site.steps["/x"] = answer(
        b"# hi", Content_Type="text/markdown", Content_Disposition='attachment; filename="r.md"'
    )
    file, _ = await fetched(make(), part(f"{site.base}/x"))
    assert (file.media_type, file.name) == ("text/markdown", "r.md")
    file, _ = await fetched(make(), part(f"{site.base}/x", filename="mine.md"))
    assert file.name == "mine.md"


async def test_compressed_bodies_are_measured_unpacked(make, site):
    site.steps["/"] = answer(gzip.compress(b"x" * 5000), Content_Encoding="gzip")
    _, content = await fetched(make(), part(f"{site.base}/"))
    assert content == b"x" * 5000
    assert "over the limit" in await problem(make(max_bytes=4999), part(f"{site.base}/"))


async def test_an_endless_body_ends_at_the_limit_of_size_or_time(make, site, tmp_path):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(0.001)

    site.steps["/"] = endless
    wanted = part(f"{site.base}/")
    assert "limit of 5000 bytes" in await problem(make(max_bytes=5000), wanted)
    assert "within 0.1 seconds" in await problem(make(seconds=0.1), wanted)
    assert list(tmp_path.iterdir()) == []


async def test_redirects_are_followed_so_far_and_no_farther(make, site):
    for step in range(MAX_REDIRECTS):
        site.steps[f"/{step}"] = answer(b"", 302, Location=str(step + 1))
    site.steps[f"/{MAX_REDIRECTS}"] = answer()
    _, content = await fetched(make(), part(f"{site.base}/0"))
    assert content == PNG
    site.steps[f"/{MAX_REDIRECTS}"] = answer(b"", 302, Location="/0")
    assert "too often" in await problem(make(), part(f"{site.base}/0"))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/", "http://u:p@127.0.0.1/"])
async def test_a_redirect_to_another_kind_of_address_is_refused(make, site, target):
    site.steps["/"] = answer(b"", 302, Location=target)
    await problem(make(), part(f"{site.base}/"))


@pytest.mark.parametrize("status", [304, 401, 403, 404, 418, 429, 500])
async def test_a_server_that_refuses_is_quoted_in_words(make, site, status):
    site.steps["/"] = answer(b"", status)
    assert "server answered" in await problem(make(), part(f"{site.base}/"))


async def test_an_empty_file_and_a_broken_body_are_refused(make, site):
    async def broken(request):
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        request.transport.abort()
        return response

    site.steps["/"] = answer(b"")
    assert "is empty" in await problem(make(), part(f"{site.base}/"))
    site.steps["/"] = broken
    await problem(make(), part(f"{site.base}/"))


async def test_only_the_allowed_hosts_are_fetched_from(make, site, trap):
    _, visits = trap
    site.steps["/"] = answer()
    await fetched(make(allow_hosts=["127.0.0.1"]), part(f"{site.base}/"))
    await fetched(make(allow_hosts=[f"127.0.0.1:{site.port}"]), part(f"{site.base}/"))
    for allowed in ("localhost", "127.0.0.1:1", "0.0.1"):
        await problem(make(allow_hosts=[allowed]), part(f"{site.base}/"))
    assert len(site.requests) == 2
    assert visits == []


async def test_an_allowed_host_must_still_be_public(make, site):
    await problem(make(allow_hosts=["127.0.0.1"], allow_private=False), part(f"{site.base}/"))
    assert site.requests == []


async def test_a_data_url_is_decoded_in_memory(make):
    link = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    file, content = await fetched(make(), part(data_url=link, filename="a.png"))
    assert content == PNG
    assert (file.media_type, file.name, file.size_bytes) == ("image/png", "a.png", len(PNG))
    file, _ = await fetched(make(), part(data_url=link))
    assert file.name == "file.png"


@pytest.mark.parametrize(
    "link", ["data:image/png;base64,!!!", "data:image/png;base64,", "nonsense", "data:,%z"]
)
async def test_a_damaged_data_url_names_its_part(make, link):
    await problem(make(), part(data_url=link))


async def test_a_data_url_has_the_same_limit(make):
    assert "limit of 10 bytes" in await problem(
        make(max_bytes=10), part(data_url="data:,01234567890")
    )


async def test_an_unknown_file_id_is_refused(make):
    assert "unknown here" in await problem(make(), part(file_id="file-1"))


async def test_cancelling_leaves_nothing_behind(make, site, tmp_path):
    started = asyncio.Event()

    async def slow(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        started.set()
        await asyncio.sleep(5)
        return response

    site.steps["/"] = slow
    task = asyncio.ensure_future(fetched(make(), part(f"{site.base}/")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
async def secure(aiohttp_raw_server, tmp_path_factory, monkeypatch):
    made = Site()
    directory = tmp_path_factory.mktemp("tls")
    made.certificate, context = make_identity("files.test", directory)
    server = await aiohttp_raw_server(made.handle, ssl=context)
    made.port = server.port
    made.steps["/"] = answer()
    here = [ip_address("127.0.0.1")]
    monkeypatch.setattr(HostNames, "addresses", _answers({"files.test": here, "other.test": here}))
    return made


async def test_tls_asks_for_the_name_and_not_the_address(make, secure, monkeypatch):
    async def trusting(_config, _host):
        return ssl.create_default_context(cafile=secure.certificate)

    monkeypatch.setattr(module, "tls_context", trusting)
    _, content = await fetched(make(), part(f"https://files.test:{secure.port}/"))
    assert content == PNG
    await problem(make(), part(f"https://other.test:{secure.port}/"))


async def test_a_socks_proxy_is_given_the_address_that_was_judged(make, secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.certificate))
    socks = Socks()
    async with socks.running() as port:
        fetcher = make(proxy=f"socks5://127.0.0.1:{port}")
        _, content = await fetched(fetcher, part(f"https://files.test:{secure.port}/"))
        await problem(fetcher, part(f"https://other.test:{secure.port}/"))
    assert content == PNG
    assert socks.targets == ["127.0.0.1"] * 2


async def test_an_http_proxy_is_given_the_address_that_was_judged(
    make, aiohttp_raw_server, monkeypatch
):
    seen = []

    async def proxy(request):
        seen.append((request.raw_path, request.headers["Host"]))
        return web.Response(body=PNG)

    server = await aiohttp_raw_server(proxy)
    monkeypatch.setattr(HostNames, "addresses", _answers({"files.test": [ip_address("8.8.8.8")]}))
    fetcher = make(proxy=f"http://127.0.0.1:{server.port}", allow_private=False)
    await fetched(fetcher, part("http://files.test/x"))
    assert seen == [("http://8.8.8.8/x", "files.test")]


async def test_a_full_disk_is_not_the_callers_fault(make, site, tmp_path):
    fetcher = make()
    fetcher._directory = tmp_path / "absent"
    with pytest.raises(StorageError):
        await fetched(fetcher, part(f"{site.base}/"))


@pytest.mark.parametrize("size", [5_000, 500_000])
async def test_a_disk_that_is_full_is_told_however_late_it_shows(make, site, tmp_path, size):
    site.steps["/"] = answer(bytes(size))  # a small one is written when its file is closed
    fetcher = make()
    fetcher._directory = tmp_path
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageFullError):
            await fetched(fetcher, part(f"{site.base}/"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


# --- files that are here already ------------------------------------------------------


def local(tmp_path, body=PNG, **fields):
    path = tmp_path / "kept"
    path.write_bytes(body)
    return LocalFile(path, fields.pop("name", "../x"), "text/x-c", len(body), "digest", **fields)


async def test_a_file_that_is_here_is_used_where_it_is(make, tmp_path):
    kept = local(tmp_path)
    file, content = await fetched(make(), part(local=kept))
    assert (content, file.source, file.sha256) == (PNG, kept.path, "digest")
    assert (file.media_type, file.name) == ("image/png", "x.png")  # from the content
    assert kept.path.exists()
    named, _ = await fetched(make(), part(local=local(tmp_path, b"int x;"), filename="b.c"))
    assert (named.media_type, named.name) == ("text/x-c", "b.c")


async def test_a_file_that_is_deleted_meanwhile_is_the_caller_s_error(make, tmp_path):
    kept = local(tmp_path)
    kept.path.unlink()
    assert "deleted" in await problem(make(), part(local=kept))
    kept = local(tmp_path)

    async def use_late():
        async with make().open(part(local=kept)) as file:
            kept.path.unlink()
            file.source.read_bytes()

    with pytest.raises(RequestError, match="deleted"):
        await use_late()


# --- files that are here and on no disk -----------------------------------------------


def remote(body, name="../x", error=None):
    upload = Upload("file-x", name, "text/x-c", len(body), "digest", "vision", 0, 0)
    return RemoteFile(upload, Held(body, error))


async def test_a_file_elsewhere_is_copied_for_the_request(make, tmp_path):
    async with make().open(part(remote=remote(PNG), filename="y.png")) as file:
        assert file.source.read_bytes() == PNG
        assert (file.size_bytes, file.sha256) == (len(PNG), "digest")
        assert (file.media_type, file.name) == ("image/png", "y.png")
        assert list(tmp_path.iterdir()) == [file.source]
    assert list(tmp_path.iterdir()) == []


async def test_a_file_elsewhere_that_is_deleted_meanwhile_is_the_callers_to_know(make, tmp_path):
    with pytest.raises(RequestError, match="was deleted while it was used"):
        await fetched(make(), part(remote=remote(b"hello", error=FileNotFoundError())))
    with pytest.raises(StorageError, match="bucket"):
        await fetched(make(), part(remote=remote(b"hello", error=StorageError("bucket"))))
    assert list(tmp_path.iterdir()) == []
