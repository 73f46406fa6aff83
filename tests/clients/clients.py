"""Clients of others that the tests run: where each is installed, and what of it has to pass.

A program of `programs/` or `node/` prints `passed DIALECTS: FEATURES`, or `passed FEATURES` for what
is of neither dialect, for each part that passed. All that a row says has to be printed, and nothing
else; `docs/compatibility.md` is made of the rows.
"""

import itertools
import json
import re
from pathlib import Path

from msgspec import Struct

from tests.gateway import ACCESS_TOKEN

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".venv" / "clients"
NODE_BIN = INSTALLED / "node" / "node_modules" / ".bin"
BASIC = ("whole", "stream", "tools", "JSON", "cut")
IN_BOTH = ("chat, responses: whole, stream, tools, JSON, cut",)
# Where a program shows the pieces of a call: on this upstream they come as they are made.
AS_MADE = (*IN_BOTH, "chat, responses: calls as made")
# Codex's command line knows the other one, and would tell of no tool before it is searched for;
# aider does not, and would put its rules behind the question.
CODEX_MODELS = {"@openai/codex": "gpt-4o", "aider-chat": "gpt-4o"}
# Environment -> modules that several of its programs import, which takes most of their time.
SHARED = {"sdk2": ("openai",), "sdk3": ("openai", "anthropic")}
PASSED = re.compile(r"^passed (?:(.+): )?(.+)$", re.MULTILINE)


class Account(Struct, frozen=True):
    """Whom a client asks as: its key, the model that it names, and the features to try."""

    key: str
    model: str
    features: frozenset[tuple[str, str]]

    @property
    def variables(self) -> dict[str, str]:
        """What a program is told of it."""
        features = "\n".join(": ".join(pair) for pair in self.features)
        return {"OPENAI_API_KEY": self.key, "MODEL": self.model, "FEATURES": features}


class Client(Struct, frozen=True):
    """A package, the programs that use it, and the environment of `.venv/clients` that has it.

    `codex` has what passes on an account of Codex's login, too, as a program names it.
    """

    package: str
    place: str
    programs: tuple[str, ...]
    chat: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    codex: tuple[str, ...] = ()

    @property
    def features(self) -> frozenset[tuple[str, str]]:
        """All that has to pass, each with its dialect."""
        rows = {
            "chat": self.chat,
            "responses": self.responses,
            "messages": self.messages,
            "": self.besides,
        }
        return frozenset((dialect, each) for dialect, found in rows.items() for each in found)

    @property
    def website(self) -> Account:
        """An account of the website, with all that has to pass on it."""
        return Account(ACCESS_TOKEN, "gpt-4o", self.features)

    @property
    def plan(self) -> Account:
        """An account of Codex's login, with all that has to pass on it."""
        features = {pair for name in self.codex for pair in passed(f"passed {name}")}
        model = CODEX_MODELS.get(self.package, "gpt-6-sol")
        return Account(f"codex:{self.place}-plus~1", model, frozenset(features))

    @property
    def shares_process(self) -> bool:
        """Whether its program asks as both accounts, one after the other; Node's starts anew."""
        return bool(self.codex) and self.place != "node"

    @property
    def registry(self) -> str:
        return "npm" if self.place == "node" else "PyPI"

    @property
    def version(self) -> str:
        """The version that is pinned."""
        if self.place == "node":
            pins = json.loads((HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
            return str(pins[self.package])
        pins = (HERE / "python" / f"{self.place}.txt").read_text("utf-8")
        found = re.search(rf"^{re.escape(self.package)}==(\S+)", pins, re.MULTILINE)
        assert found, f"{self.package} is not pinned"
        return found[1]

    @property
    def is_installed(self) -> bool:
        """Whether the environment is there; aider's is empty with a Python that aider does not take."""
        needed = {"node": NODE_BIN / "codex", "aider": INSTALLED / "aider" / "bin" / "aider"}
        return needed.get(self.place, INSTALLED / self.place / "bin" / "python").exists()

    @property
    def python(self) -> Path:
        """The Python that runs its programs, which are none of its own where it is for Node."""
        return INSTALLED / ("sdk3" if self.place == "node" else self.place) / "bin" / "python"

    @property
    def imported(self) -> tuple[str, ...]:
        """What most programs of its environment import."""
        return SHARED.get(self.place, ())


def passed(said: str) -> set[tuple[str, str]]:
    """What a program says has passed, as `Client.features` has it."""
    return {
        pair
        for dialects, features in PASSED.findall(said)
        for pair in itertools.product(dialects.split(", "), features.split(", "))
    }


IN_MESSAGES = (f"messages: {', '.join(BASIC)}",)
CLAUDE_CODE = ("stream", "loop of Bash and Edit", "cut", "unknown model", "wrong key")
SDK2 = (
    Client(
        "openai",
        "sdk2",
        ("older_sdk_client.py",),
        ("whole", "stream", "cut"),
        besides=("models", "pictures", "files"),
    ),
    Client(
        "litellm",
        "sdk2",
        ("litellm_client.py",),
        ("whole", "stream", "reasoning", "several at once", "errors", "cut"),
        besides=("pictures",),
    ),
    Client(
        "instructor",
        "sdk2",
        ("instructor_client.py",),
        ("tools", "stream", "JSON", "JSON by words", "cut"),
        ("tools", "stream", "cut"),
    ),
    Client("llama-index-llms-openai", "sdk2", ("llama_index_client.py",), BASIC, BASIC),
)
SDK3 = (
    Client(
        "langchain-openai",
        "sdk3",
        ("langchain_client.py",),
        (*BASIC, "silence", "picture", "errors"),
        BASIC,
        codex=(*AS_MADE, "chat: picture, errors"),
    ),
    Client("llm", "sdk3", ("llm_client.py",), ("whole", "stream", "errors", "cut")),
    Client(
        "openai-agents",
        "sdk3",
        ("openai_agents_client.py",),
        BASIC,
        (*BASIC, "session"),
        codex=(*AS_MADE, "responses: session"),
    ),
    Client(
        "pydantic-ai-slim",
        "sdk3",
        ("pydantic_ai_client.py",),
        BASIC,
        BASIC,
        messages=BASIC,
        codex=IN_MESSAGES,
    ),
    Client(
        "anthropic",
        "sdk3",
        ("anthropic_client.py",),
        messages=(*BASIC, "counts", "models", "errors"),
        codex=("messages: whole, stream, tools, JSON, counts, models, errors, cut",),
    ),
    Client(
        "langchain-anthropic",
        "sdk3",
        ("langchain_anthropic_client.py",),
        messages=BASIC,
        codex=IN_MESSAGES,
    ),
    Client("haystack-ai", "sdk3", ("haystack_client.py",), BASIC, BASIC),
    Client("dspy", "sdk3", ("dspy_client.py",), BASIC, ("whole", "tools", "JSON", "cut")),
    Client(
        "smolagents",
        "sdk3",
        ("smolagents_client.py",),
        ("whole", "stream", "tools", "code", "cut"),
        codex=("chat: whole, stream, tools, code, cut",),
    ),
)
NODE = (
    Client(
        "openai",
        "node",
        ("sdk.mjs", "tools.mjs"),
        ("whole", "stream", "ends at once", "caller leaves", "errors", "tools", "JSON", "cut"),
        ("conversation", "tools", "JSON", "cut"),
        ("models", "pictures", "streamed pictures", "files", "speech", "recordings"),
    ),
    Client(
        "ai",
        "node",
        ("ai.mjs",),
        BASIC,
        BASIC,
        ("pictures", "sounds"),
        BASIC,
        codex=(*AS_MADE, *IN_MESSAGES),
    ),
    Client(
        "@openai/agents",
        "node",
        ("agents.mjs",),
        BASIC,
        (*BASIC, "session"),
        codex=(*AS_MADE, "responses: session"),
    ),
    Client(
        "@anthropic-ai/sdk",
        "node",
        ("anthropic.mjs",),
        messages=(*BASIC, "ends at once", "counts", "errors"),
        codex=("messages: whole, stream, ends at once, tools, JSON, counts, errors, cut",),
    ),
    Client("@langchain/openai", "node", ("langchain.mjs",), BASIC, BASIC, codex=IN_BOTH),
)
CODING = (
    Client(
        "@anthropic-ai/claude-code",
        "node",
        ("claude_code_client.py",),
        messages=CLAUDE_CODE,
        codex=(f"messages: {', '.join(CLAUDE_CODE)}",),
    ),
    Client(
        "aider-chat",
        "aider",
        ("aider_client.py",),
        ("whole", "stream", "edit", "cut"),
        codex=("chat: whole, stream, edit, cut",),
    ),
    Client(
        "@openai/codex",
        "node",
        ("codex_client.py",),
        responses=("stream", "tools", "tool search", "WebSocket first", "JSON", "cut"),
        codex=(
            "responses: stream, tools, tool search, WebSocket first, JSON, cut",
            "responses: code, patch, picture",
        ),
    ),
    Client(
        "opencode-ai",
        "node",
        ("opencode_client.py",),
        ("stream", "tools", "cut"),
        ("stream", "tools", "cut"),
        codex=("chat, responses: stream, tools, cut",),
    ),
)
CLIENTS = (*SDK2, *SDK3, *NODE, *CODING)
# Those of `make clients-web`, which has Open WebUI in a browser, too.
ASTRBOT = Client(
    "astrbot",
    "astrbot",
    ("astrbot_client.py",),
    ("whole", "stream", "reasoning", "tools", "cut"),
    besides=("models",),
)
OPEN_WEBUI = Client(
    "open-webui", "open-webui", (), ("stream", "reasoning", "tools", "cut"), besides=("pictures",)
)
WEB = (ASTRBOT, OPEN_WEBUI)
