"""Runs every command and every block of code of the documents.

Each is claimed by exactly one runner below; an unclaimed one fails, so every new snippet is run.
Addresses and ports are replaced by those of the tests.
"""

import argparse
import contextlib
import gzip
import http.client
import io
import json
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import yaml
from anthropic import Anthropic

from service.answers.gateway import AccountUsage
from service.settings.config import load_config
from service.version import VERSION
from tests.checkout import Checkout, Started
from tests.clients.readers import READERS
from tests.clients.test_documented import documented
from tests.demo_process import running_demo_process, stats_of
from tests.documents import READMES, ROOT, code_words, manual_pages, read_document
from tests.nginx_server import running_nginx
from tests.redis_server import running_redis
from tests.service.program.gateway_process import fetch
from tests.snippets import Snippet, snippets_of

pytestmark = [pytest.mark.whole, pytest.mark.needs_nginx, pytest.mark.needs_redis]

ADDRESS = "http://127.0.0.1:33333"
FROM_CONTAINER = "http://host.docker.internal:33333"
UPSTREAM = "https://chat.example.org"
# Verbs of make that are only dry-run here, since they run for each commit or take too long for a
# test.
RUN_ELSEWHERE = {
    "test": "is what runs this",
    "quick": "is a part of what runs this",
    "check": "is lint, types and test",
    "install": "came before this; tests/deploy/test_makefile.py runs it in a folder of its own",
    "lint": "is a step of .ci/run",
    "types": "is a step of .ci/run",
    "fmt": "would change the files under test",
    "golden": "would change the files under test; tests/test_golden.py reads them",
    "compatibility": "would change the files under test; tests/compatibility reads them",
    "hostile": "would change the file under test; tests/test_hostile.py reads it",
    "bench": "takes minutes; tests/test_bench.py runs a quick one",
    "compiled": "takes minutes; make test-compiled compiles a copy",
    "faults": "is a step of .ci/run",
    "fuzz": "takes as long as it is given; tests/test_fuzz.py replays what it found",
    "soak": "takes ten minutes; tests/test_soak.py runs a short one",
    "requirements": "asks the registry for new releases",
    "audit": "asks the registry for known vulnerabilities",
    "sbom": "would change the files under test",
}
# A word in each Python example -> a pattern of its output.
PRINTED = {
    "import OpenAI": (r"6\*7=42", r"!\[image\]\(http://127\.0\.0\.1:\d+/images/"),
    "follow_up": (r"6\*7",),
    "import Anthropic": (r"6\*7=42", r"claude-sonnet-5", r"[1-9]\d*"),
    "get_weather": (r"get_weather {", "19"),
    "previous_response_id": ("Ada|小明",),
    "audio.speech": (r"Boats float\.|船会漂浮。",),
}
# The path that each client in the table of clients appends to its address.
CHAT_PATHS = {
    "OpenAI": "/chat/completions",
    "LangChain": "/chat/completions",
    "NextChat": "/v1/chat/completions",
    "one-api": "/v1/chat/completions",
    "Open WebUI": "/chat/completions",
    "CowAgent": "/chat/completions",
    "AstrBot": "/chat/completions",
}
# Images of clients: the variable for the address, and the client whose rules apply.
IMAGES = {
    "yidadaa/chatgpt-next-web": ("BASE_URL", "NextChat"),
    "ghcr.io/open-webui/open-webui:main": ("OPENAI_API_BASE_URL", "Open WebUI"),
}
MANUALS = [page for readme in READMES for page in manual_pages(readme)]
OTHERS = sorted({f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - set(MANUALS))
SNIPPETS = [one for page in (*MANUALS, *OTHERS) for one in snippets_of(read_document(page))]


class Place:
    """A checkout, the gateway that `make run` started in it, and the state of Python examples."""

    def __init__(self, checkout: Checkout, gateway: Started, demo: str) -> None:
        self.checkout = checkout
        self.gateway = gateway
        self.demo = demo
        self.names: tuple[dict[str, Any], ...] = ({}, {})
        self.printed: dict[Snippet, str] = {}

    @contextmanager
    def settings(self, text: str) -> Iterator[Path]:
        """Write this into config.yaml for the block, with the demo as the upstream."""
        path = self.checkout.folder / "config.yaml"
        shipped = path.read_text("utf-8")
        path.write_text(text.replace(UPSTREAM, self.demo), "utf-8")
        yield path
        path.write_text(shipped, "utf-8")

    @cached_property
    def signed_in(self) -> bytes:
        """A file of keys with an account that has signed in."""
        return self._prepared(SIGN_IN)[1]

    @cached_property
    def with_key(self) -> tuple[str, bytes]:
        """A key that the line of the documents adds, and the file of keys that has it."""
        adding = next(one.text for one in SNIPPETS if ' service keys add "my bot"' in one.text)
        said, file = self._prepared(adding, "fk-a-token\n")
        (key,) = re.findall(r"sk-gw-\S+", said)
        return key, file

    def _prepared(self, command: str, given: str = "") -> tuple[str, bytes]:
        """Return what a command says, and the file of keys that it makes."""
        path = self.checkout.folder / "data" / "prepared.json"
        path.unlink(missing_ok=True)
        said = self.checkout.run(command, given, GATEWAY_SERVER__KEYS_FILE="data/prepared.json")
        return said, path.read_bytes()

    def keys(self, name: str, file: bytes) -> dict[str, str]:
        """Return the variable that names a copy of a file of keys."""
        (self.checkout.folder / "data" / f"{name}.json").write_bytes(file)
        return {"GATEWAY_SERVER__KEYS_FILE": f"data/{name}.json"}

    @cached_property
    def has_call(self) -> bool:
        """Whether the log has a call of a gateway that was started for it."""
        start = "python -m service"
        with self.checkout.started(start, GATEWAY_UPSTREAM__BASE_URL=self.demo) as one:
            self.ask(one.address)
        return "complete" in self.checkout.run(".venv/bin/python -m service calls")

    def ask(self, address: str, question: str = "What is 6*7?") -> str:
        """Return the text of an answer of that gateway."""
        body = chat(f"{address}/v1/chat/completions", "fk-demo", question)
        return str(json.loads(body)["choices"][0]["message"]["content"])

    def reached(self, address: str) -> str:
        """Return a printed address as that of the running gateway."""
        for printed in (ADDRESS, FROM_CONTAINER):
            address = address.replace(printed, self.gateway.address)
        assert self.gateway.address in address
        return address


def chat(url: str, key: str, question: str, **fields: Any) -> bytes:
    """Return the body of a chat's answer."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": question}], **fields}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    host, slash, path = url.removeprefix("http://").partition("/")
    with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        connection.request("POST", slash + path, json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
    assert answer.status == 200, said
    return said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    with running_demo_process() as demo, checkout.started("make run") as gateway:
        place = Place(checkout, gateway, demo)
        yield place
        for names in place.names:
            if client := names.get("client"):
                client.close()


# --- runners --------------------------------------------------------------------------

Run = Callable[[Place, Snippet], None]
RUNNERS: list[tuple[str, re.Pattern[str], Run]] = []


def runs(language: str, pattern: str = r"(?s).*") -> Callable[[Run], Run]:
    """Claim the snippets of a language that match as a whole."""

    def claim(run: Run) -> Run:
        RUNNERS.append((language, re.compile(pattern), run))
        return run

    return claim


def claims(snippet: Snippet) -> list[Run]:
    return [
        run
        for language, pattern, run in RUNNERS
        if language == snippet.language and pattern.fullmatch(snippet.text)
    ]


@runs("sh", "make run")
def make_run(place: Place, _snippet: Snippet) -> None:
    assert b"ok" in fetch(f"{place.gateway.address}/healthz").read()
    assert f"curl {place.gateway.address}/v1/models" in place.gateway.said
    assert load_config(ROOT / "config.yaml", {}).config.server.port == 33333


@runs("sh", "make help")
def make_help(place: Place, snippet: Snippet) -> None:
    assert "make run" in place.checkout.run(snippet.text)


@runs("sh", f"make ({'|'.join(RUN_ELSEWHERE)})( .*)?")
def make_elsewhere(place: Place, snippet: Snippet) -> None:
    assert place.checkout.run(f"{snippet.text} --dry-run").strip()


@runs("sh", rf"curl .*{ADDRESS}/.*")
def curl(place: Place, snippet: Snippet) -> None:
    command = snippet.text.replace(ADDRESS, place.gateway.address)
    said = place.checkout.run(command.replace("curl ", "curl -sS ", 1))
    if "/v1/models" in command:
        assert "gpt-4o" in [model["id"] for model in json.loads(said)["data"]]
    elif "/v1/usage" in command:
        assert json.loads(said).keys() == json.loads(usage_example()).keys()
    elif '"stream":true' in command:
        assert READERS["NextChat"](said.encode()).text.startswith("Demo")
        assert said.endswith("data: [DONE]\n\n")
    else:
        assert json.loads(said)["choices"][0]["finish_reason"] == "stop"


@runs("toml")
@runs("js")
@runs("json", r'(?s).*"provider":.*')
@runs("python", r"(?s).*from (?:agents|litellm) import.*")
@runs("sh", r"(codex exec|opencode run|aider|ANTHROPIC_\S+) .*")
def agent(_place: Place, snippet: Snippet) -> None:
    """See that tests/clients/test_documented.py runs it, where nothing but loopback can be reached."""
    assert snippet in documented(snippet.document)


@runs("python", r"(?s)(?!.*from (?:agents|litellm) import).*")
def python(place: Place, snippet: Snippet) -> None:
    """Run a Python example; those of one language are one program, so earlier ones run first."""
    of_language = [one for one in SNIPPETS if claims(one) == [python] and _is_same(one, snippet)]
    for one in of_language[: of_language.index(snippet) + 1]:
        if one not in place.printed:
            place.printed[one] = _printed(place, one)
    (wanted,) = (words for known, words in PRINTED.items() if known in snippet.text)
    for word in wanted:
        assert re.search(word, place.printed[snippet]), (word, place.printed[snippet])


def _is_same(one: Snippet, other: Snippet) -> bool:
    return ("zh-CN" in one.document) is ("zh-CN" in other.document)


def _printed(place: Place, snippet: Snippet) -> str:
    text = snippet.text.replace(ADDRESS, place.gateway.address)
    names = place.names["zh-CN" in snippet.document]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(text, snippet.place, "exec"), names)  # noqa: S102 - what the reader would run
    return output.getvalue()


def example(language: str) -> str:
    """Return the block of a language that names the upstream."""
    return next(one.text for one in SNIPPETS if one.language == language and UPSTREAM in one.text)


@runs("sh", r"GATEWAY_SERVER__PUBLIC_URL=(\S+) make run")
def public_url(place: Place, snippet: Snippet) -> None:
    with place.checkout.started(snippet.text, GATEWAY_UPSTREAM__BASE_URL=place.demo) as gateway:
        link = snippet.text.partition("=")[2].partition(" ")[0]
        assert f"![image]({link}/images/" in place.ask(gateway.address, "draw two boats")


@runs("sh", r"docker run .*")
def client_image(place: Place, snippet: Snippet) -> None:
    """Send the request that the program would send with these variables, as there is no engine."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-d", action="store_true", required=True)
    parser.add_argument("-e", action="append", required=True)
    parser.add_argument("-p", required=True)
    parser.add_argument("--add-host", choices=["host.docker.internal:host-gateway"], required=True)
    parser.add_argument("-v", "--name")
    parser.add_argument("image", choices=IMAGES)
    given = parser.parse_args(shlex.split(snippet.text)[2:])
    variables = dict(pair.split("=", 1) for pair in given.e)
    name, reader = IMAGES[given.image]
    assert set(variables) == {name, "OPENAI_API_KEY"}
    url = place.reached(variables[name]) + CHAT_PATHS[reader]
    said = chat(url, variables["OPENAI_API_KEY"], "What is 6*7?", stream=True)
    assert READERS[reader](said).text.startswith("Demo")


def usage_example() -> str:
    return next(one.text for one in SNIPPETS if one.text.startswith('{"object": "usage"'))


@runs("json", r'(?s)\{"object": "usage".*')
def usage(_place: Place, snippet: Snippet) -> None:
    told = msgspec.json.decode(snippet.text, type=AccountUsage)
    assert msgspec.to_builtins(told) == json.loads(snippet.text)


@runs("json", r'(?s)(?!\{"object": "usage")(?!.*"provider":).*')
def cow_agent(place: Place, snippet: Snippet) -> None:
    given = json.loads(snippet.text)
    assert set(given) == {"bot_type", "model", "custom_api_base", "custom_api_key"}
    url = place.reached(given["custom_api_base"]) + CHAT_PATHS["CowAgent"]
    fields = {"model": given["model"], "stream": True, "stream_options": {"include_usage": True}}
    said = chat(url, given["custom_api_key"], "What is 6*7?", **fields)
    assert READERS["CowAgent"](said).text.startswith("Demo")


@runs("yaml", r"(?s)bot_mode:.*")
def bot_settings(place: Place, snippet: Snippet) -> None:
    start = "python -m service"
    with (
        place.settings(snippet.text),
        place.checkout.started(start, GATEWAY_UPSTREAM__BASE_URL=place.demo) as gateway,
    ):
        assert "图片链接：http://" in place.ask(gateway.address, "draw two boats")


@runs("yaml", r"(?s)upstream:.*")
def settings(place: Place, snippet: Snippet) -> None:
    """Check that the settings can be read; the command that starts with them is below."""
    with place.settings(snippet.text) as path:
        assert load_config(path, {}).config.upstream.base_url == place.demo


@runs("sh", r"\.venv/bin/python -m service --version")
def version(place: Place, snippet: Snippet) -> None:
    assert place.checkout.run(snippet.text).startswith(f"backend-to-v1 {VERSION}, ")


@runs("sh", r"\.venv/bin/python -m service --config config\.yaml --check")
def check(place: Place, snippet: Snippet) -> None:
    with place.settings(example("yaml")) as path:
        printed = yaml.safe_load(place.checkout.run(snippet.text))
        config = load_config(path, {}).config
        assert printed["upstream"]["base_url"] == place.demo
        assert tuple(printed["upstream"]["api_prefixes"]) == config.upstream.api_prefixes


@runs("sh", r"\.venv/bin/python -m service --config config\.yaml")
def service(place: Place, snippet: Snippet) -> None:
    before = len(stats_of(place.demo)["requests"])
    with (
        place.settings(example("yaml")) as path,
        place.checkout.started(snippet.text) as gateway,
    ):
        assert "6*7=42" in place.ask(gateway.address)
        prefixes = load_config(path, {}).config.upstream.api_prefixes
    paths = [one["path"] for one in stats_of(place.demo)["requests"][before:]]
    assert prefixes
    assert paths
    assert all(path.startswith(tuple(f"/{prefix}/" for prefix in prefixes)) for path in paths)


@runs("sh", r"\.venv/bin/python -m service --config config\.json")
def old_service(place: Place, snippet: Snippet) -> None:
    """Start with a short old file; tests/test_seed_examples.py has all that it may say."""
    seed = json.loads((ROOT / "tests/data/seed/config.json").read_text("utf-8"))
    old = {name: seed[name] for name in ("log_level", "bot_mode", "gpt_4_s_new_name")}
    path = place.checkout.folder / "config.json"
    path.write_text(json.dumps({**old, "upstream_base_url": place.demo}), "utf-8")
    with place.checkout.started(snippet.text) as gateway:
        assert "6*7=42" in place.ask(gateway.address)
        assert "read `upstream_base_url` as `upstream.base_url`" in gateway.said


@runs("sh", r"GATEWAY_SERVER__ADMIN_KEY=\S+ make run")
def admin_key(place: Place, snippet: Snippet) -> None:
    key = snippet.text.partition("=")[2].partition(" ")[0]
    with place.checkout.started(snippet.text, GATEWAY_UPSTREAM__BASE_URL=place.demo) as gateway:
        headers = {"Authorization": f"Bearer {key}"}
        host = gateway.address.removeprefix("http://")
        with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
            connection.request("GET", "/admin/accounts", headers=headers)
            assert json.load(connection.getresponse())["object"] == "list"
        assert b"admin" in fetch(f"{gateway.address}/console/admin").read()


SIGN_IN = ".venv/bin/python -m service login"


@runs("sh", rf"{re.escape(SIGN_IN)}|docker compose exec gateway python -m service login")
def login(place: Place, snippet: Snippet) -> None:
    """Sign in beside the running gateway; that stands for the container, as there is no engine."""
    address = place.gateway.address  # it listens, and its demo answers
    said = place.checkout.run(snippet.text.removeprefix("docker compose exec gateway "))
    (line,) = re.findall(r"^ +(curl .*)$", said, re.MULTILINE)
    assert address in line
    assert "data: [DONE]" in place.checkout.run(f"{line} -sS")


@runs("sh", rf"{re.escape(SIGN_IN)} --browser .*")
def login_by_browser(place: Place, snippet: Snippet) -> None:
    """Sign in as with a browser on another machine, which the demo redirects to any free port."""
    assert place.gateway.address  # it listens, and its demo answers
    with subprocess.Popen(
        shlex.split(snippet.text),
        cwd=place.checkout.folder,
        env=place.checkout.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        addresses = (re.search(r"http://\S+/oauth/authorize\S+", line) for line in process.stdout)
        address = next(found[0] for found in addresses if found)
        with closing(fetch(address)) as answer:
            callback = answer.headers["Location"]
        said, _ = process.communicate(f"{callback}\n", timeout=60)
    assert process.returncode == 0, said
    assert 'as "my plan"' in said


@runs("sh", r"\.venv/bin/python -m service (accounts .*|keys add phone --account codex)")
def accounts(place: Place, snippet: Snippet) -> None:
    """Run each line with its own file of keys, after signing in."""
    assert place.gateway.address  # it listens, and its demo answers
    said = place.checkout.run(snippet.text, **place.keys(str(snippet.line), place.signed_in))
    words = {"keys": "sk-gw-", "list": "d***@example.org", "show": "plus", "remove": "removed"}
    assert any(word in said for verb, word in words.items() if verb in snippet.text.split())


@runs("sh", r"\.venv/bin/python -m service calls .*")
def calls(place: Place, snippet: Snippet) -> None:
    assert place.has_call
    said = place.checkout.run(snippet.text)
    assert said == ("" if "--json" in snippet.text else "no such calls\n")


@runs("sh", r"\.venv/bin/python -m service keys (add|list|revoke)( (?!phone ).*)?")
def gateway_keys(place: Place, snippet: Snippet) -> None:
    """Run each line with its own file of keys, after the line that adds one."""
    verb = snippet.text.split()[4]
    key, file = place.with_key
    here = place.keys(verb, file)
    if verb == "list":
        assert "my bot" in place.checkout.run(snippet.text, **here)
    elif verb == "revoke":
        assert "my bot" in place.checkout.run(snippet.text, **here)
        listed = place.checkout.run(".venv/bin/python -m service keys list", **here)
        assert "my bot" not in listed
    else:
        start, demo = ".venv/bin/python -m service", {"GATEWAY_UPSTREAM__BASE_URL": place.demo}
        with place.checkout.started(start, **here, **demo) as gateway:
            url = f"{gateway.address}/v1/chat/completions"
            assert b"6*7=42" in chat(url, key, "What is 6*7?")


CAPTURE = "curl -N … > capture.txt"


@runs("sh", re.escape(CAPTURE))
def capture(place: Place, _snippet: Snippet) -> None:
    """Run the command with a turn in place of the dots, sent to the upstream itself."""
    message = {
        "id": str(uuid4()),
        "author": {"role": "user"},
        "content": {"content_type": "text", "parts": ["What is 6*7?"]},
    }
    body = {"action": "next", "model": "gpt-4o", "messages": [message]}
    turn = {**body, "parent_message_id": str(uuid4())}
    asked = (
        f"-sS {place.demo}/backend-api/conversation -H 'Authorization: Bearer fk-a-token'"
        f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(turn))}"
    )
    place.checkout.run(CAPTURE.replace("…", asked))


@runs("sh", r"\.venv/bin/python -m service --(replay|scrub) capture\.txt(\.scrubbed)?")
def replay(place: Place, snippet: Snippet) -> None:
    """Run each with a capture made just before, or a scrubbed copy of one."""
    capture(place, snippet)
    scrubbed = place.checkout.folder / "capture.txt.scrubbed"
    scrubbed.unlink(missing_ok=True)
    if "scrubbed" in snippet.text:
        place.checkout.run(".venv/bin/python -m service --scrub capture.txt")
    said = place.checkout.run(snippet.text)
    if "--scrub" in snippet.text:
        assert "6*7" not in scrubbed.read_text("utf-8")
    else:
        assert ("6*7=42" in said) is ("scrubbed" not in snippet.text), said


@runs("sh", r"\.venv/bin/python -m upstream\.demo --port 9100")
def demo_alone(place: Place, snippet: Snippet) -> None:
    listens = re.compile(r"(http://127\.0\.0\.1:\d+)\n")
    with place.checkout.started(snippet.text.replace("9100", "0"), listens) as demo:
        assert b"demo" in fetch(f"{demo.address}/").read()


@runs("sh", r"(\.venv/bin/python -m )?pip install .*")
def install(place: Place, snippet: Snippet) -> None:
    """Run pip, which finds nothing to do: the tests' environment has these packages."""
    said = place.checkout.run(snippet.text)
    assert "Would install" not in said
    for package in snippet.text.partition(" install ")[2].split():
        assert f"Requirement already satisfied: {package} in" in said


@runs("sh", r"OTEL_EXPORTER_OTLP_ENDPOINT=http://127\.0\.0\.1:4318 .*")
def traces(place: Place, snippet: Snippet) -> None:
    with running_collector() as (port, received):
        command = snippet.text.replace("4318", str(port))
        quick = {"OTEL_BSP_SCHEDULE_DELAY": "20", "GATEWAY_UPSTREAM__BASE_URL": place.demo}
        with place.checkout.started(command, **quick) as gateway:
            place.ask(gateway.address)
            end = time.monotonic() + 20
            while b"POST /v1/chat/completions" not in b"".join(received):
                assert time.monotonic() < end
                time.sleep(0.02)


@contextmanager
def running_collector() -> Iterator[tuple[int, list[bytes]]]:
    """Receive traces as a collector does; the value is its port and the bodies received."""
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_small = self.headers["Content-Encoding"] == "gzip"
            received.append(gzip.decompress(body) if is_small else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector.server_address[1], received
        finally:
            collector.shutdown()
            thread.join()


@runs("sh", r"(\w+=\S+ )*docker compose up -d")
def compose(place: Place, snippet: Snippet) -> None:
    """Start what docker-compose.yml describes without an engine."""
    typed = dict(pair.split("=", 1) for pair in snippet.text.split(" docker")[0].split())
    described = yaml.safe_load(_interpolated((ROOT / "docker-compose.yml").read_text(), typed))
    gateway = described["services"]["gateway"]
    count = int(gateway["deploy"]["replicas"])
    assert str(count) == typed["GATEWAYS"]
    if gateway["environment"]["GATEWAY_UPSTREAM__BASE_URL"] == "none":
        with place.checkout.started("python -m service", GATEWAY_UPSTREAM__BASE_URL="none") as one:
            assert json.loads(fetch(f"{one.address}/healthz").read())
        return
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        given = {
            name: value.replace("redis://redis:6379/0", redis.url).replace(UPSTREAM, place.demo)
            for name, value in gateway["environment"].items()
        }
        given["GATEWAY_SERVER__TRUSTED_PROXIES"] = "127.0.0.0/8"
        started = [
            stack.enter_context(place.checkout.started("python -m service", **given))
            for _ in range(count)
        ]
        hosts = [one.address.removeprefix("http://") for one in started]
        nginx = stack.enter_context(running_nginx(place.checkout.folder, hosts))
        assert "6*7=42" in place.ask(nginx)
        ready = json.loads(fetch(f"{nginx}/readyz").read())
        assert ready["status"] == "ready", ready


def _interpolated(text: str, environ: dict[str, str]) -> str:
    """Replace variables as compose does: `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda one: environ.get(one[1]) or one[2], text)


# --- the walk -------------------------------------------------------------------------


def _once() -> list[Snippet]:
    """Return the snippets without those that are the same in the other language."""
    found: dict[tuple[str, ...], Snippet] = {}
    for one in SNIPPETS:
        own = one.document if one.language == "python" else ""
        found.setdefault((one.language, re.sub(" +# .*", "", one.text), own), one)
    return list(found.values())


def test_every_snippet_has_one_runner_and_every_runner_a_snippet() -> None:
    claimed = {one: claims(one) for one in SNIPPETS}
    assert [f"{one.place} {one.text}" for one, found in claimed.items() if len(found) != 1] == []
    assert {run for found in claimed.values() for run in found} == {run for _, _, run in RUNNERS}


@pytest.mark.parametrize("readme", READMES)
def test_each_client_reaches_the_gateway_by_the_address_of_its_row(
    readme: str, place: Place
) -> None:
    rows = read_document(readme).table("NextChat")
    for known, path in CHAT_PATHS.items():
        (row,) = (row for row in rows if known in row[0])
        (address,) = code_words(row[2])
        assert b'"chat.completion"' in chat(place.reached(address) + path, "demo", "Hello")
    for known in ("Claude Code", "Anthropic"):
        (row,) = (row for row in rows if known in row[0])
        (address,) = code_words(row[2])
        client = Anthropic(api_key="demo", base_url=place.reached(address))
        asked = [{"role": "user", "content": "Hello"}]
        answer = client.messages.create(model="claude-opus-5", max_tokens=99, messages=asked)  # type: ignore[arg-type]
        assert answer.content[0].type == "text"


@pytest.mark.parametrize("snippet", _once(), ids=lambda one: one.place)
def test_a_snippet_does_what_it_says(snippet: Snippet, place: Place) -> None:
    (run,) = claims(snippet)
    run(place, snippet)
