"""Links work without a key, so they can be neither guessed nor listed, and lead nowhere else."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway

SECRET = "what is beside the stored files"
NOTHING = {"type": "invalid_request_error", "param": None, "code": "not_found"}


@dataclass
class Raw:
    """An answer as it arrived on the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def shape(self) -> tuple[Any, ...]:
        """All of it except what identifies the request."""
        own = ("x-request-id", "content-length", "date")
        headers = sorted((name, value) for name, value in self.headers.items() if name not in own)
        error = json.loads(self.body)["error"]
        return self.status, headers, {name: error[name] for name in NOTHING}, set(error)


async def asked(gateway: Gateway, target: str, method: str = "GET") -> Raw:
    """Send a request line unchanged, since clients normalise paths."""
    url = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"{method} {target} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("utf-8"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Raw(int(first.split()[1]), headers, body)


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway, tmp_path: Path) -> Gateway:
    """Return a gateway whose directory has other files beside the stored ones."""
    started = await start_gateway(demo)
    for place in ("secret.key", "images/secret.txt", "files/.hidden", "uploads/x.txt"):
        put(tmp_path / place)
    return started


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SECRET)


async def names(gateway: Gateway) -> tuple[str, str]:
    """Return the names of a stored picture and a stored file."""
    picture = (await gateway.chat("draw two boats of 64x64")).json["x_images"][0]
    file = (await gateway.chat("make report.csv")).json["x_files"][0]
    return picture["url"].rpartition("/")[2], file["url"].rpartition("/")[2]


def neighbours(name: str) -> list[str]:
    """Return names that differ from a stored one in one character or in its notation."""
    stem, dot, extension = name.partition(".")
    other = {digit: "0123456789abcdef"[(int(digit, 16) + 1) % 16] for digit in set(stem)}
    changed = [f"{stem[:at]}{other[stem[at]]}{stem[at + 1 :]}" for at in range(len(stem))]
    return [
        *(f"{one}{dot}{extension}" for one in changed),
        *(stem, stem[:-1], f"{stem}0.{extension}", f"{stem}.{extension}x", f"{stem}."),
        *(f"{stem.upper()}.{extension}", f"{stem}.{extension.upper()}", f".{name}", f"{name}."),
        *(f"{name}%00", f"{name}%00.png", f"{name}%20", f"{name}/", f"{name}%2F", f"{name};x=1"),
        *(f".{stem}.part", f"{stem}.part", f"{name}.part", f"{stem}.*", f"*.{extension}"),
        *(f"./{name}", f"x/../{name}", f"%2e/{name}", f"x%2f..%2f{name}", f"..%2Fimages%2F{name}"),
    ]


def hostile() -> list[str]:
    """Return targets that would list a directory or leave it."""
    climbs = ["../", "..%2f", "..%2F", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%255c"]
    climbs += ["..\\", "..%5c", "..%5C", "....//", "..;/", "%c0%ae%c0%ae/", "..%00/", ".%2e/"]
    goals = ["secret.key", "state.db", "etc/passwd", "uploads/x.txt"]
    targets = [
        f"/images/{climb * deep}{goal}" for climb in climbs for goal in goals for deep in (1, 6)
    ]
    targets += [f"/{place}{end}" for place in ("images", "files") for end in ENDS]
    targets += [f"/images/{quote(name, safe='%')}" for name in NAMES]
    return targets


ENDS = (
    "",
    "/",
    "//",
    "/.",
    "/..",
    "/./",
    "/%2e",
    "/%2f",
    "/?",
    "/?list",
    "/*",
    "/%00",
    "/%2a",
    "/#",
)
ENDS += ("//etc/passwd", "/%2fetc%2fpasswd", "/file:///etc/passwd", "/C:%5cboot.ini", "/secret.txt")
ENDS += ("/.hidden", "/%5c%5chost%5cshare", "/con", "/-", "/null", "/index.html", "/.git/config")
NAMES = (
    "\U0001f600" * 300,
    "x" * 4000,
    "٣" * 32,
    "0" * 32,
    "f" * 32 + ".png",
    "%",
    "%zz",
    "%e0%a4",
)


async def test_nothing_but_a_whole_name_finds_anything_and_all_else_is_one_404(
    gateway: Gateway,
) -> None:
    picture, file = await names(gateway)
    assert (await asked(gateway, f"/images/{picture}")).body.startswith(b"\x89PNG")
    assert (await asked(gateway, f"/files/{file}")).status == 200
    unknown = await asked(gateway, f"/images/{'0' * 32}.png")
    assert json.loads(unknown.body)["error"]["message"].startswith("There is nothing at /images/0")
    assert unknown.shape[:1] + unknown.shape[2:] == (404, NOTHING, {*NOTHING, "message"})
    targets = [f"/images/{name}" for name in neighbours(picture)]
    targets += [f"/files/{name}" for name in neighbours(file)]
    targets += [f"/images/{file}", f"/files/{picture}", f"/{picture}", f"/data/images/{picture}"]
    for target in targets + hostile():
        answer = await asked(gateway, target)
        assert answer.shape == unknown.shape, target
        path = re.split("[?#]", target)[0]
        message = json.loads(answer.body)["error"]["message"]
        assert message == f"There is nothing at {path[:200]}.", target


async def test_other_methods_find_as_little(gateway: Gateway) -> None:
    picture, _ = await names(gateway)
    head = await asked(gateway, f"/images/{picture}", "HEAD")
    assert (head.status, head.body) == (200, b"")
    for target in ("/images/", f"/images/{'0' * 32}.png"):
        assert (await asked(gateway, target, "HEAD")).status == 404
    stored, unknown = [
        await asked(gateway, f"/images/{name}", "DELETE") for name in (picture, "0" * 32 + ".png")
    ]
    assert (stored.status, stored.shape) == (405, unknown.shape)


async def test_a_target_with_a_host_in_it_finds_as_little(gateway: Gateway) -> None:
    for target in ("http://127.0.0.1/images/", "http://host/images/..%2fsecret.key"):
        answer = await asked(gateway, target)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "not_found")
