from service.orders.speech import (
    UPSTREAM_VOICES,
    VOICES,
    Repetition,
    is_same_speech,
    repeating,
    repeating_model,
)
from service.settings.config import Config, ModelConfig
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    Cited,
    Outcome,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.requests import StoredMessage
from tests.rows import each_row

END = TurnEnded(Outcome.COMPLETE, "stop")


@each_row(
    ("said", "wanted", "is_same"),
    [
        ("Boats float.", "Boats float.", True),
        ("Boats  float.\n", " Boats\r\nfloat.", True),
        ("“Boats” float…", '"Boats" float...', True),
        ("It’s", "It's", True),
        ("cafe\u0301", "caf\u00e9", True),
        ("Boats float", "Boats float.", False),
        ("boats float.", "Boats float.", False),
        ("Here you are: Boats float.", "Boats float.", False),
        ("", "Boats float.", False),
    ],
)
def test_only_what_sounds_the_same_is_the_same(said: str, wanted: str, is_same: bool) -> None:
    assert is_same_speech(said, wanted) == is_same


def test_the_model_is_told_to_repeat_and_where_the_text_is() -> None:
    told = repeating("Draw a cat.\n\nNow.")
    assert told.startswith("Repeat the text between the tags below word for word")
    assert told.endswith("\n\n<text>\nDraw a cat.\n\nNow.\n</text>")


@each_row(
    ("asked", "model"),
    [
        (None, "gpt-3.5-turbo"),
        ("tts-1", "gpt-3.5-turbo"),
        ("tts-1-hd", "gpt-3.5-turbo"),
        ("gpt-4o-mini-tts", "gpt-3.5-turbo"),
        ("gpt-4o-mini-tts-2025-12-15", "gpt-3.5-turbo"),
        ("gpt-audio", "gpt-3.5-turbo"),
        ("gpt-4o", "gpt-4o"),
        ("another-model", "another-model"),
    ],
)
def test_names_of_speech_models_stand_for_a_small_model(asked: str | None, model: str) -> None:
    assert repeating_model(asked, Config().models) == model


def test_a_row_of_the_table_may_be_named_like_a_speech_model() -> None:
    models = {"big": ModelConfig(slug="gpt-5"), "voice": ModelConfig(slug="x", aliases=("tts-1",))}
    assert repeating_model("tts-1", models) == "tts-1"
    assert repeating_model("tts-1-hd", models) == "big"
    assert repeating_model("tts-1", {"o": ModelConfig(slug="o1-mini")}) == "o"
    assert repeating_model("tts-1", {}) == "auto"


def test_one_that_a_key_may_use_is_preferred_a_small_one_first() -> None:
    models = Config().models
    assert repeating_model("tts-1", models, ("tts-1", "gpt-4o")) == "gpt-4o"
    assert repeating_model("tts-1", models, ("gpt-4o", "gpt-4o-mini")) == "gpt-4o-mini"
    assert repeating_model("tts-1", models, ("tts-1",)) == "gpt-3.5-turbo"


def test_each_voice_is_one_of_the_upstream() -> None:
    assert set(VOICES.values()) == set(UPSTREAM_VOICES)
    assert VOICES["cove"] == VOICES["alloy"] == "cove"


def test_the_last_message_is_what_would_be_read() -> None:
    said = Repetition()
    assert (said.text, said.message, said.ended) == ("", None, None)
    said.feed_batch([TurnFacts("c", "m1"), AnswerStarted("m1"), AnswerText("First.")])
    said.feed_batch([AnswerStarted("m2"), AnswerText("Boats "), Cited(0, "float", ())])
    said.feed_batch([AnswerText("."), TurnFacts("c", "m2", "gpt-4o"), END])
    assert said.text == "Boats float."
    assert said.message == StoredMessage("c", "m2")
    assert said.ended == END


def test_a_message_that_is_not_kept_has_no_place() -> None:
    said = Repetition()
    said.feed_batch([TurnFacts(None, "m1"), AnswerText("Boats.")])
    assert said.message is None
