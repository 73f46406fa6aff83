from msgspec import structs

from service.answers.images import ImageInputTokens, ImageUsage, Picture
from service.orders.images import (
    Drawing,
    drawing_model,
    images_reply,
    outcome_of_failure,
    picture_failure,
)
from service.settings.config import Config, ModelConfig
from service.stages.render.bot_format import WEB
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    Delta,
    Failure,
    Notice,
    NoticeKind,
    Outcome,
    ToolCallText,
    TurnEnded,
)
from service.vocabulary.rendered import TokenCounts
from tests.rows import each_row

END = TurnEnded(Outcome.COMPLETE, "stop")
LIMIT = "ChatGPTAgentToolRateLimitException: You have hit the plan limit."


def picture(url: str = "http://gw/images/x.png", problem: str = "") -> AssetReady:
    wanted = AssetWanted(AssetKind.PICTURE, "file-service://f", "c", "m", revised_prompt="An otter")
    return AssetReady(wanted, url, "x.png", "image/png", problem)


def drawn(*deltas: Delta) -> Drawing:
    drawing = Drawing(WEB)
    drawing.feed_batch(deltas)
    return drawing


def failed(*deltas: Delta) -> Failure:
    failure = drawn(*deltas).failure
    assert failure is not None
    return failure


# --- models ---------------------------------------------------------------------------


def test_the_first_of_the_table_that_can_draw_is_the_default() -> None:
    assert drawing_model(None, Config().models) == "gpt-4-s"
    rows = {"o1": "o1-preview", "small": "gpt-4o-mini", "big": "gpt-4o", "other": "gpt-4"}
    models = {name: ModelConfig(slug=slug) for name, slug in rows.items()}
    assert drawing_model(None, models) == "big"
    assert drawing_model("small", models) == "small"


def test_a_name_of_openai_s_means_to_draw_unless_the_table_has_it() -> None:
    models = {
        "big": ModelConfig(slug="gpt-4o"),
        "art": ModelConfig(slug="gpt-4", aliases=["dall-e-3"]),
    }
    assert drawing_model("dall-e-3", models) == "dall-e-3"
    for name in ("dall-e-2", "gpt-image-1", "gpt-image-1-mini", "chatgpt-image-latest"):
        assert drawing_model(name, models) == "big"
    assert drawing_model("gpt-9", models) == "gpt-9"
    assert drawing_model("dall-easy", models) == "dall-easy"


def test_one_that_a_key_may_use_is_preferred_if_it_can_draw() -> None:
    models = Config().models
    assert drawing_model("gpt-image-1", models, ("gpt-image-1", "gpt-4o")) == "gpt-4o"
    assert drawing_model(None, models, ("o1-mini", "dall-e-3")) == "dall-e-3"
    assert drawing_model("gpt-image-1", models, ("gpt-image-1", "o1-mini")) == "gpt-4-s"


def test_without_a_table_the_upstream_chooses() -> None:
    assert drawing_model(None, {}) == "auto"
    assert drawing_model(None, {"o1": ModelConfig(slug="o1-mini")}) == "o1"


# --- what came ------------------------------------------------------------------------


def test_the_reply_is_the_text_without_the_pictures_links() -> None:
    call = ToolCallText("m", "", '{"size":"1024x1024"}', is_last=True)
    drawing = drawn(call, picture(), AnswerStarted("a"), AnswerText("Here it is."), END)
    reply = images_reply([drawing], [Picture(url="u")], 7, TokenCounts(3, 4, 0))
    assert reply.reply == '\n```\n{"size":"1024x1024"}\n```\nHere it is.'
    assert (reply.created, reply.data) == (7, [Picture(url="u")])
    assert reply.usage == ImageUsage(
        input_tokens=3,
        input_tokens_details=ImageInputTokens(text_tokens=3, image_tokens=0),
        output_tokens=4,
        total_tokens=7,
        estimated=True,
    )


def test_a_preview_is_no_picture() -> None:
    made = picture()
    preview = structs.replace(made, wanted=structs.replace(made.wanted, is_preview=True))
    lost = structs.replace(preview, url="", problem="It is gone.")
    drawing = drawn(preview, lost, made, END)
    assert (drawing.assets, drawing.pictures) == ([preview, made], [made])
    assert drawn(preview, AnswerText("No."), END).failure is not None


def test_a_picture_that_came_before_a_failure_is_handed_out() -> None:
    cut = TurnEnded(Outcome.CUT, None, Failure(502, "cut", "upstream_error", "upstream_cut"))
    assert drawn(picture(), cut).failure is None


def test_words_instead_of_a_picture_are_a_refusal_with_these_words() -> None:
    call = ToolCallText("m", "", '{"size":"1024x1024"}', is_last=True)
    failure = failed(call, AnswerStarted("a"), AnswerText("I can't draw that."), END)
    assert (failure.status, failure.code) == (400, "content_policy_violation")
    assert failure.message == "The upstream drew no picture. It said: I can't draw that."
    assert failure.type == "invalid_request_error"


@each_row(
    ("words", "wait"),
    [
        ("You've hit the rate limit for image generation. Try again in 3 minutes.", 180),
        ("It seems I have reached the current limit for drawing; please wait 24 hours.", 86400),
        ("I'm generating images too quickly: usage limit reached, wait for 2 hours.", 7200),
        ("抱歉，当前已达到图片生成次数的上限，请在 15 分钟后再试。", 900),
    ],
)
def test_a_limit_that_the_model_tells_in_words_is_a_429(words: str, wait: float | None) -> None:
    failure = failed(AnswerStarted("a"), AnswerText(words), END)
    assert (failure.status, failure.code) == (429, "rate_limit_exceeded")
    assert failure.retry_after_seconds == wait
    assert words in failure.message


@each_row(
    "words",
    [
        "I can't draw that: our policies limit what may be shown of real people.",
        "There is no limit to what I could describe, but I will not draw this.",
        "我不能画这个，它违反了内容政策的限制。",
    ],
)
def test_a_refusal_that_speaks_of_limits_is_still_a_refusal(words: str) -> None:
    assert failed(AnswerStarted("a"), AnswerText(words), END).status == 400


def test_a_block_is_a_refusal_without_words() -> None:
    failure = failed(TurnEnded(Outcome.FILTERED, "content_filter"))
    assert failure.code == "content_policy_violation"


def test_a_failed_turn_keeps_its_failure() -> None:
    silent = Failure(504, "silent", "upstream_error", "upstream_timeout")
    assert failed(AnswerText("Let me"), TurnEnded(Outcome.SILENT, None, silent)) == silent


def test_a_picture_that_cannot_be_fetched_says_why() -> None:
    failure = failed(picture("", "It is gone."), AnswerText("Here it is."), END)
    assert (failure.status, failure.code) == (502, "upstream_error")
    assert "It is gone." in failure.message


def test_a_picture_that_cannot_be_kept_is_no_fault_of_the_upstream() -> None:
    fault = Failure(507, "No room.", "server_error", "insufficient_storage")
    ready = structs.replace(picture("", fault.message), fault=fault)
    failure = failed(ready, AnswerText("Here it is."), END)
    assert (failure.status, failure.code) == (507, "insufficient_storage")
    assert failure.message == "The picture was drawn but could not be had: No room."
    assert outcome_of_failure(failure, Outcome.COMPLETE) is Outcome.FAILED


def test_a_tool_s_error_goes_before_what_the_model_says_of_it() -> None:
    failure = failed(Notice(NoticeKind.TOOL_ERROR, LIMIT), AnswerText("Sorry."), END)
    assert (failure.status, failure.code) == (429, "rate_limit_exceeded")


@each_row(
    ("words", "status"),
    [
        (LIMIT, 429),
        ("You hit the usage cap, try again in 4 hours.", 429),
        ("This goes against our content policies.", 400),
        ("Worker died.", 502),
    ],
)
def test_a_tool_s_words_tell_whose_fault_it_was(words: str, status: int) -> None:
    failure = picture_failure(words)
    assert failure.status == status
    assert words in failure.message


@each_row(
    ("status", "ended", "outcome"),
    [
        (400, Outcome.COMPLETE, Outcome.REFUSED),
        (400, Outcome.FILTERED, Outcome.FILTERED),
        (502, Outcome.COMPLETE, Outcome.FAILED),
        (504, Outcome.SILENT, Outcome.SILENT),
        (429, Outcome.COMPLETE, Outcome.REFUSED),
    ],
)
def test_an_order_without_a_picture_is_never_complete(
    status: int, ended: Outcome, outcome: Outcome
) -> None:
    assert outcome_of_failure(Failure(status, "", "", None), ended) is outcome
