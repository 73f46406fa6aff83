from service.settings.claude_names import CLAUDE_MODELS, stand_in
from tests.rows import each_row


@each_row(
    ("name", "family"),
    [
        ("claude-opus-4-5-20251101", "opus"),
        ("claude-fable-1", "opus"),
        ("claude-sonnet-4-5[1m]", "sonnet"),
        ("claude-3-5-haiku-latest", "haiku"),
        ("anthropic/claude-haiku-4-5", "haiku"),
        ("Claude-of-tomorrow", "sonnet"),
    ],
)
def test_a_name_stands_for_the_model_of_its_family(name: str, family: str) -> None:
    assert stand_in(name, {}) == CLAUDE_MODELS[family]
    assert stand_in(name, {family: "mine", "default": "other"}) == "mine"
    assert stand_in(name, {"default": "other"}) == "other"


@each_row(("name", "plain"), [("gpt-4o", "gpt-4o"), ("gpt-5.5[1m]", "gpt-5.5")])
def test_another_name_stands_for_itself(name: str, plain: str) -> None:
    assert stand_in(name, {"default": "other"}) == plain


def test_without_a_setting_the_models_of_an_account_count_in_their_order() -> None:
    listed = ["gpt-image-2", "gpt-6", "gpt-6-mini", "gpt-5"]
    assert stand_in("claude-opus-5", {}, listed) == "gpt-6"
    assert stand_in("claude-haiku-5", {}, listed) == "gpt-6-mini"
    assert stand_in("claude-haiku-5", {}, listed[:2]) == "gpt-6"
    assert stand_in("claude-haiku-5", {"haiku": "mine"}, listed) == "mine"
