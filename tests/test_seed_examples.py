"""The seed's documented files and requests work with this gateway unchanged (spec 2, 3)."""

import base64
import http.client
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.demo_process import running_demo_process, stats_of
from tests.redis_server import running_redis
from tests.service.program.gateway_process import GatewayProcess, fetch

SEED = Path(__file__).with_name("data") / "seed"
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
REFRESH_TOKEN = "a-refresh-token-as-request-key"
EXTRAS = {"temperature": 0.5, "presence_penalty": 0, "frequency_penalty": 0, "top_p": 1}
PREFIX = "/dad04481-fa3f-494e-b90c-b822128073e5/"

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis]


class Place:
    """The gateway with the seed's files, and its demo upstream."""

    def __init__(self, process: GatewayProcess, demo: str) -> None:
        self.process = process
        self.demo = demo
        self.address = process.address().removeprefix("http://")

    def post(self, path: str, body: Any = None, token: str = REFRESH_TOKEN) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def chat(self, content: Any, token: str = REFRESH_TOKEN, **body: Any) -> str:
        asked = {"messages": [{"role": "user", "content": content}], "stream": False} | body
        status, reply = self.post("/666/v1/chat/completions", EXTRAS | asked, token)
        assert status == 200, reply
        assert reply["choices"][0]["finish_reason"] == "stop"
        return str(reply["choices"][0]["message"]["content"])

    def last_turn(self) -> Any:
        return json.loads(fetch(f"{self.demo}/demo/turns/1").read())

    def requests(self, path: str) -> list[Any]:
        return [one for one in stats_of(self.demo)["requests"] if one["path"].endswith(path)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("seed")
    with running_demo_process() as demo, running_redis() as redis:
        settings = json.loads((SEED / "config.json").read_text("utf-8"))
        settings["upstream_base_url"] = demo
        settings["refresh_ToAccess"]["oaifree_refreshToAccess_Url"] = f"{demo}/api/auth/refresh"
        settings["redis"] |= {"host": "127.0.0.1", "port": redis.port}
        (folder / "config.json").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
        (folder / "gpts.json").write_bytes((SEED / "gpts.json").read_bytes())
        here = {
            "GATEWAY_SERVER__HOST": "127.0.0.1",
            "GATEWAY_SERVER__PORT": "0",
            "GATEWAY_FETCH__ALLOW_PRIVATE": "true",
        }
        process = GatewayProcess(folder, "-m", "service", "--config", "config.json", **here)
        try:
            yield Place(process, demo)
            assert process.stop() == 0, process.error
            assert "Traceback" not in process.error
        finally:
            process.close()


@pytest.fixture(scope="module")
def file_url() -> Iterator[str]:
    """Return the address of a local server that has the file of the seed's example."""

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/pdf")
            self.send_header("Content-Length", str(len(PDF)))
            self.end_headers()
            self.wfile.write(PDF)

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/bitcoin.pdf"
        server.shutdown()
        thread.join()


def test_each_old_name_is_reported_once(place: Place) -> None:
    names = json.loads((SEED / "config.json").read_text("utf-8"))
    sections = ("bot_mode", "refresh_ToAccess")
    nested = [f"{name}.{inner}" for name in sections for inner in names[name]]
    new = {"bot_mode.enabled", *sections}  # one setting has the same name in both versions
    for name in {*names, *nested} - new:
        assert place.process.error.count(f"`{name}` as ") == 1, name


def test_a_chat(place: Place) -> None:
    assert place.chat("6*7", model="gpt-3.5-turbo") == "Demo answer: 6*7=42"
    assert place.requests("/backend-api/conversation")[-1]["path"].startswith(PREFIX)
    assert place.last_turn()["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("name", ["gpt-4-s", "gpt-4", "gpt-4-mobile", "dall-e-3"])
def test_each_name_of_a_list_is_a_model(name: str, place: Place) -> None:
    place.chat("Hello", model=name)
    assert place.last_turn()["model"] == "gpt-4"


def test_a_streamed_chat(place: Place) -> None:
    body = {"model": "gpt-4-o", "stream": True, "messages": [{"role": "user", "content": "6*7"}]}
    headers = {"Authorization": f"Bearer {REFRESH_TOKEN}"}
    with closing(http.client.HTTPConnection(place.address, timeout=30)) as connection:
        connection.request("POST", "/666/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.read().endswith(b"data: [DONE]\n\n")


def test_the_paths_without_the_prefix_are_not_there(place: Place) -> None:
    body = {"model": "gpt-4-s", "messages": [{"role": "user", "content": "Hello"}]}
    for path in ("/v1/chat/completions", "/getAccountID"):
        status, reply = place.post(path, body)
        assert (status, reply["error"]["code"]) == (404, "not_found")


def test_a_file_by_its_url(place: Place, file_url: str) -> None:
    content = [
        {"type": "text", "text": "这个pdf里写了什么，用中文回复"},
        {"type": "image_url", "image_url": {"url": file_url}},
    ]
    said = place.chat(content, model="gpt-4")
    assert "你发来了 1 个文件：bitcoin.pdf" in said
    assert f"{len(PDF)} bytes" in said
    attachment = place.last_turn()["messages"][-1]["metadata"]["attachments"][0]
    assert (attachment["name"], attachment["size"]) == ("bitcoin.pdf", len(PDF))


def test_a_picture_as_base64(place: Place) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(picture, "PNG")
    data = base64.b64encode(picture.getvalue()).decode()
    content = [
        {"type": "text", "text": "这张图里画了什么"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]
    said = place.chat(content, model="gpt-4-s")
    assert "你发来了 1 个文件" in said
    pointer = next(
        part
        for part in place.last_turn()["messages"][-1]["content"]["parts"]
        if isinstance(part, dict)
    )
    assert (pointer["width"], pointer["height"]) == (30, 20)
    assert pointer["size_bytes"] == len(picture.getvalue())


def test_a_text_of_a_type_that_is_not_on_the_list(place: Place) -> None:
    data = base64.b64encode("就这样".encode()).decode()
    content = [
        {"type": "text", "text": "里面写了什么"},
        {"type": "image_url", "image_url": {"url": f"data:text/x-unheard-of;base64,{data}"}},
    ]
    assert "你发来了 1 个文件" in place.chat(content, model="gpt-4-s")


def test_a_token_with_an_account_id(place: Place) -> None:
    place.chat("Hello", f"{REFRESH_TOKEN},team-account-1", model="gpt-4-s")
    asked = place.requests("/backend-api/conversation")[-1]
    assert asked["headers"]["chatgpt-account-id"] == "team-account-1"
    place.chat("Hello", model="gpt-4-s")
    assert "chatgpt-account-id" not in place.requests("/backend-api/conversation")[-1]["headers"]


def test_the_account_ids_of_a_token(place: Place) -> None:
    status, reply = place.post("/666/getAccountID")
    assert status == 200
    assert [len(reply[plan]) for plan in ("plus", "team")] == [1, 1]


@pytest.mark.parametrize(
    ("name", "gizmo"), [("gpt-4-classic", "g-YyyyMT9XH"), ("pandoraNext", "g-CFsXuTRfy")]
)
def test_a_gpt_by_its_name(name: str, gizmo: str, place: Place) -> None:
    assert place.chat("6*7", model=name).endswith(f"(GPT {gizmo})")
    mode = place.last_turn()["conversation_mode"]
    assert mode == {"kind": "gizmo_interaction", "gizmo_id": gizmo}


def test_the_conversation_is_hidden_afterwards(place: Place) -> None:
    body = {"model": "gpt-4-s", "messages": [{"role": "user", "content": "6*7"}]}
    _, reply = place.post("/666/v1/chat/completions", body)
    wait_for(lambda: reply["conversation_id"] in stats_of(place.demo)["hidden"])


def test_a_refresh_token_is_exchanged_once_for_all_of_it(place: Place) -> None:
    place.chat("Hello", model="gpt-4-s")
    place.chat("Hello", model="gpt-4-s")
    by_token = stats_of(place.demo)["refreshes"]["by_token"]
    assert set(by_token.values()) == {1}


def test_a_picture_s_link_is_absolute(place: Place) -> None:
    said = place.chat("plot a chart", model="gpt-4-s")
    assert "![image](http://1.2.3.4:50011/" in said
    assert "[下载链接](http://1.2.3.4:50011/" in said


def test_a_picture_on_order(place: Place) -> None:
    status, reply = place.post(
        "/666/v1/images/generations",
        {"model": "gpt-4-s", "prompt": "A cute baby sea otter"},
    )
    assert status == 200, reply
    assert isinstance(reply["created"], int)
    [entry] = reply["data"]
    assert entry["url"].startswith("http://1.2.3.4:50011/")
    tool_call, _, words = reply["reply"].removeprefix("\n```").partition("\n```\n")
    assert "A cute baby sea otter" in json.loads(tool_call[tool_call.index("{") :])["prompt"]
    assert words.strip()
    settings = json.loads((SEED / "config.json").read_text("utf-8"))
    [asked] = place.last_turn()["messages"][-1]["content"]["parts"]
    assert asked == (
        f"{settings['dalle_prompt_prefix']}\nprompt:A cute baby sea otter\nsize:1024x1024"
    )
    path = entry["url"].removeprefix("http://1.2.3.4:50011")
    with Image.open(fetch(f"http://{place.address}{path}")) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (1024, 1024))


def test_a_log_is_written(place: Place) -> None:
    place.chat("Hello", model="gpt-4-s")
    log = Path(place.process._output).parent / "log" / "access.log"
    wait_for(lambda: "POST /666/v1/chat/completions 200" in log.read_text())


def wait_for(is_true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)
