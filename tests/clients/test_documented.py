"""What docs/clients.md has a reader type and write, with the programs that it is for."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.clients.clients import INSTALLED, NODE_BIN
from tests.clients.conftest import Place
from tests.documents import read_document
from tests.snippets import Snippet, snippets_of

pytestmark = pytest.mark.whole
PAGE, CHINESE = "docs/clients.md", "docs/clients.zh-CN.md"
_REMARK = re.compile(r" +(#|//) .*$", re.MULTILINE)
ADDRESS = "http://127.0.0.1:33333"
# What they would send elsewhere, or look for there.
CODEX_QUIET = """
check_for_update_on_startup = false
analytics.enabled = false
feedback.enabled = false
features = {apps = false, plugins = false, remote_plugin = false}
"""
AIDER_QUIET = {
    **{f"AIDER_{name}": "false" for name in ("ANALYTICS", "CHECK_UPDATE", "GIT", "PRETTY")},
    **{f"AIDER_SHOW_{name}": "false" for name in ("MODEL_WARNINGS", "RELEASE_NOTES")},
    "AIDER_YES_ALWAYS": "true",
}


def documented(page: str) -> list[Snippet]:
    """Return the snippets of a page that a test below runs."""
    runs = ("toml", "json", "python", "js", "codex exec ", "opencode run ", "aider ", "ANTHROPIC_")
    return [
        one
        for one in snippets_of(read_document(page))
        if one.language in runs or one.text.startswith(runs)
    ]


class Reader:
    """Somebody who does what a page says, in a folder of theirs."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        path = f"{INSTALLED / 'aider' / 'bin'}:{place.environ(folder)['PATH']}"
        key = {"PLAN_KEY": "codex:reader-plus~1"}
        self.environ = {**place.environ(folder), **AIDER_QUIET, **key, "PATH": path}

    def text(self, known: str) -> str:
        """Return the only block of a language, or line that begins like this, with the real address."""
        (found,) = (
            one.text
            for one in documented(PAGE)
            if one.language == known or one.text.startswith(known)
        )
        return found.replace(ADDRESS, self.place.address)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def runs(self, *command: str | Path) -> str:
        """Return what a command says, which may reach nothing but loopback."""
        before = self.place.network.strayed
        said = self.place.run(command, self.folder, self.environ)
        assert self.place.network.strayed == before
        return said

    def types(self, begin: str) -> str:
        return self.runs("/bin/bash", "-c", self.text(begin))


@pytest.fixture
def reader(place: Place, tmp_path: Path) -> Reader:
    if not NODE_BIN.exists():
        pytest.skip("the clients are not installed")
    return Reader(place, tmp_path)


def test_the_other_page_has_the_same_to_type() -> None:
    """So what is run below is what readers of both run; their remarks are in their languages."""
    typed = [[_REMARK.sub("", one.text) for one in documented(page)] for page in (PAGE, CHINESE)]
    assert len(typed[0]) == 9
    assert typed[0] == typed[1]


def test_the_settings_of_codex_s_command_line(reader: Reader) -> None:
    reader.write("codex/config.toml", CODEX_QUIET + reader.text("toml"))
    assert "6*7=42" in reader.types("codex exec")


def test_the_line_for_claude_code(reader: Reader) -> None:
    reader.environ |= {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1"}
    assert "6*7=42" in reader.types("ANTHROPIC_")


def test_the_program_for_litellm(reader: Reader) -> None:
    program = reader.write("ask.py", reader.text("from litellm"))
    assert "6*7=42" in reader.runs(INSTALLED / "sdk2" / "bin" / "python", program)


def test_the_settings_of_opencode(reader: Reader) -> None:
    reader.write("opencode.json", reader.text("json"))
    # It would fetch a package for plugins, unless it finds it there.
    home = reader.folder / ".config" / "opencode"
    (home / "node_modules").mkdir(parents=True)
    installed = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    reader.write(".config/opencode/package-lock.json", json.dumps(installed))
    assert "6*7=42" in reader.types("opencode run")


def test_the_line_for_aider(reader: Reader) -> None:
    if shutil.which("aider", path=reader.environ["PATH"]) is None:
        pytest.skip("the clients are not installed")
    # It would fetch a list of prices otherwise, and takes one that is a day old at most.
    prices = {"gpt-4o": {"mode": "chat"}}
    reader.write(".aider/caches/model_prices_and_context_window.json", json.dumps(prices))
    assert "6*7=42" in reader.types("aider")


def test_the_agents_sdks(reader: Reader) -> None:
    program = reader.write("agent.py", reader.text("import os"))
    assert "19 degrees" in reader.runs(INSTALLED / "sdk3" / "bin" / "python", program)
    program = reader.write("agent.mjs", reader.text("js"))
    (reader.folder / "node_modules").symlink_to(NODE_BIN.parent)
    assert "19 degrees" in reader.runs(INSTALLED / "sdk2" / "bin" / "node", program)
