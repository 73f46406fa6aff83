"""The table of spec 7.2 and the profiles of 7.3."""

from collections.abc import Iterable

from msgspec import structs

from service.stages.render.bot_format import ITEMS, RAW, WEB, Render
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    Cited,
    Delta,
    FunctionArguments,
    FunctionCallStarted,
    LinkForm,
    Notice,
    NoticeKind,
    Outcome,
    ReasoningText,
    Source,
    TextSpent,
    ToolCallText,
    ToolResult,
    TurnEnded,
)
from service.vocabulary.rendered import (
    AssetLinked,
    BotFormat,
    ContentCited,
    ContentText,
    PictureForm,
    Rendered,
)
from tests.rows import each_row

END = TurnEnded(Outcome.COMPLETE, "stop")
BOT = ITEMS  # with nothing switched on
PLAIN = structs.replace(BOT, pictures=PictureForm.PLAIN)


def render_all(render: Render, deltas: Iterable[Delta]) -> list[Rendered]:
    return [piece for delta in deltas for piece in render.feed(delta)]


def shown(deltas: Iterable[Delta], bot_format: BotFormat = WEB) -> str:
    pieces = render_all(Render(bot_format), [*deltas, END])
    return "".join(p.text for p in pieces if isinstance(p, ContentText | ContentCited))


def picture(url: str = "u", problem: str = "") -> AssetReady:
    return AssetReady(AssetWanted(AssetKind.PICTURE, "p", "c", "m"), url, problem=problem)


def file(form: LinkForm, url: str = "u", problem: str = "") -> AssetReady:
    return AssetReady(AssetWanted(AssetKind.FILE, "/p", "c", "m", form), url, problem=problem)


TWO = [AnswerStarted("a"), AnswerText("one"), AnswerStarted("b"), AnswerText("two")]
CALL = [ToolCallText("t", "python", "x = 1\n"), ToolCallText("t", "python", "y", is_last=True)]
CITED = [AnswerText("a "), Cited(1, "[[1](u)]", (Source("u", "t"),))]


@each_row(
    ("deltas", "web", "bot", "raw"),
    [
        (TWO, "one\n\ntwo", "one\n\ntwo", "one\n\ntwo"),
        (CALL, "\n```python\nx = 1\ny\n```\n", "", ""),
        ([*TWO[:2], *CALL, *TWO[2:]], "one\n```python\nx = 1\ny\n```\ntwo", *["one\n\ntwo"] * 2),
        ([ToolResult("4")], "\n`Result:`\n```\n4\n```\n", "", ""),
        (
            [ToolResult("<<ImageDisplayed>>"), picture()],
            "\n`Result:`\n```\n图片生成中，请稍后\n\n```\n\n![image](u)\n[下载链接](u)\n",
            "",
            "",
        ),
        ([picture("", "gone")], "\n```\nError: gone\n```\n", "", ""),
        (CITED, "a [[1](u)]", "a ", "a "),
        ([AnswerText("[x"), file(LinkForm.TARGET)], "[x](u)", "[x](u)", "[x]"),
        ([AnswerText("x "), file(LinkForm.BARE)], "x u", "x u", "x "),
        (
            [AnswerText("[x"), file(LinkForm.TARGET, "", "expired")],
            *["[x]\n```\nError: expired\n```\n"] * 2,
            "[x]",
        ),
        ([Notice(NoticeKind.TOOL_ERROR, "a\nb")], "\n```\na b\n```\n", "", ""),
        ([Notice(NoticeKind.CONSENT, "Ask.")], *["\nAsk.\n"] * 3),
        ([ToolCallText("t", "", "open"), AnswerText("x")], "\n```\nopen\n```\nx", "x", "x"),
        ([ToolCallText("t", "", "open")], "\n```\nopen\n```\n", "", ""),
        ([AnswerText("by "), Cited(1, "[A](u)", (), "Ada")], "by [A](u)", *["by Ada"] * 2),
        ([AnswerBlock("b", "sql", "SELECT 1;")], "\n```sql\nSELECT 1;\n```\n", *["SELECT 1;"] * 2),
        (
            [*TWO[:2], AnswerBlock("b", "markdown", "a\n", "T *1*", is_document=True), *TWO[2:]],
            "one\n**T \\*1\\***\n\n```markdown\na\n```\ntwo",
            *["one\n\na\n\n\ntwo"] * 2,
        ),
        ([AnswerBlock("b", "", "````\n```")], "\n`````\n````\n```\n`````\n", *["````\n```"] * 2),
    ],
)
def test_each_piece_is_rendered_as_its_profile_says(
    deltas: list[Delta], web: str, bot: str, raw: str
) -> None:
    assert shown(deltas) == web
    assert shown(deltas, BOT) == bot
    assert shown(deltas, RAW) == raw


def test_a_plain_picture_stands_on_a_line_of_its_own() -> None:
    assert shown([picture()], PLAIN) == "图片链接：u\n"
    assert shown([AnswerText("x"), picture()], PLAIN) == "x\n图片链接：u\n"
    assert shown([AnswerText("x\n"), picture()], PLAIN) == "x\n图片链接：u\n"


def test_pictures_and_files_are_data_in_every_profile_and_problems_are_not() -> None:
    for bot_format in (WEB, BOT, PLAIN, RAW):
        pieces = render_all(Render(bot_format), [picture(), picture("", "x"), END])
        assert [p.url for p in pieces if isinstance(p, AssetLinked)] == ["u"]


def test_a_citation_keeps_its_place_and_sources_where_it_is_not_shown() -> None:
    pieces = render_all(Render(RAW), CITED)
    assert pieces[-1] == ContentCited(1, "", (Source("u", "t"),))


def test_reasoning_passes_and_closes_nothing() -> None:
    pieces = render_all(Render(WEB), [CALL[0], ReasoningText("r"), CALL[1]])
    assert ReasoningText("r") in pieces
    text = "".join(p.text for p in pieces if isinstance(p, ContentText))
    assert text == "\n```python\nx = 1\ny\n```\n"


@each_row("bot_format", [WEB, BOT, RAW])
def test_function_calls_pass_in_every_profile_and_close_the_fence_before_them(
    bot_format: BotFormat,
) -> None:
    passed: list[Delta] = [
        FunctionCallStarted(0, "call_a", "add"),
        FunctionArguments(0, "{}"),
        TextSpent(("a",), "b"),
    ]
    pieces = render_all(Render(bot_format), [ToolCallText("t", "", "open"), *passed, END])
    assert pieces[-4:-1] == passed
    assert (ContentText("\n```\n") in pieces[:-4]) is bot_format.shows_tools


def test_a_mark_that_came_so_far_is_taken_out_and_counted() -> None:
    render = Render(WEB)
    assert render_all(render, [AnswerText("a\ue203b")]) == [ContentText("ab")]
    assert render.removed == 1
