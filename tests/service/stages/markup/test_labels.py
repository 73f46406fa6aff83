"""The replacements of markers (spec 7.2)."""

from service.stages.decode.messages import read_message
from service.stages.markup.labels import shown_at
from service.stages.markup.references import ReadReferences, Reference
from tests.rows import each_row

ADA = '\ue200entity\ue202["people", "Ada Example", 0]\ue201'
URL = "\ue200url\ue202Boat Manual\ue202turn0search0\ue201"
CITE = "\ue200cite\ue202turn0search0\ue201"
FORMULA = '\ue200genui\ue202{"math_block_widget_v2":{"content":"x^2"}}\ue201'


def reference(marker: str, **fields: object) -> Reference:
    content = {"type": "x", "matched_text": marker, "start_idx": 0, **fields}
    metadata = {"content_references": [content]}
    message = read_message({"id": "m", "author": {"role": "assistant"}, "metadata": metadata})
    assert message is not None
    (known,) = ReadReferences().known(message)
    return known.references[0]


@each_row(
    ("marker", "words"),
    [
        (ADA, "Ada Example"),
        ('\ue200entity\ue202["city","東京","首都"]\ue201', "東京"),
        ('\ue200product_entity\ue202["turn0product1","Kettle"]\ue201', "Kettle"),
        ('\ue200product\ue202["turn0product1","Pot",{"render_as":"hero"}]\ue201', "Pot"),
        ('\ue200products\ue202{"selections":[["a","Kettle"],["b","Pot"],3]}\ue201', "Kettle, Pot"),
        ('\ue200kind_of_2027\ue202["id","A label"]\ue201', "A label"),
        (URL, "Boat Manual"),
        ("\ue200video\ue202A talk\ue202turn0youtube1\ue201", "A talk"),
        ("\ue200link_title\ue202A page\ue202turn0search1\ue201", "A page"),
        ("\ue200url\ue202\ue203Boat\ue204\ue202turn0search0\ue201", "Boat"),
        (FORMULA, "$$x^2$$"),
        ('\ue200genui\ue202{"latex":{"content":"$$a$$"}}\ue201', "$$a$$"),
        ('\ue200genui\ue202{"math":{"content":"a\\cdot \\"b\\""}}\ue201', '$$a\\cdot "b"$$'),
        ('\ue200genui\ue202{"weather":{"content":"x"}}\ue201', ""),
        ('\ue200genui\ue202{"math":{"content":7}}\ue201', ""),
        ('\ue200entity\ue202["people"]\ue201', ""),
        ('\ue200entity\ue202["people", 7]\ue201', ""),
        ("\ue200entity\ue202not json\ue201", ""),
        ("\ue200kind_of_2027\ue202words\ue201", ""),
        ('\ue200navlist\ue202["a","b"]\ue201', ""),
        (CITE, ""),
        ("\ue200\ue201", ""),
    ],
)
def test_without_a_reference_a_marker_is_what_it_says_itself(marker: str, words: str) -> None:
    shown = shown_at(marker, None)
    assert (shown.text, shown.words, shown.sources) == (words, words, ())


@each_row(
    ("marker", "fields", "text", "words"),
    [
        (ADA, {"alt": ADA, "name": "Ada"}, "Ada", "Ada"),
        (ADA, {"alt": "A.", "name": "Ada"}, "A.", "A."),
        (ADA, {"alt": None, "name": "\ue200", "title": "T"}, "T", "T"),
        (ADA, {"alt": ADA}, "Ada Example", "Ada Example"),
        (ADA, {"alt": "[A](https://a.org/)"}, "[A](https://a.org/)", "A"),
        (ADA, {"type": "hidden", "name": "Ada"}, "", ""),
        (ADA, {"type": "invalid"}, "Ada Example", "Ada Example"),
        (CITE, {"type": "alt_text", "alt": "a picture"}, "a picture", "a picture"),
        (CITE, {"type": "entity", "prompt_text": "the Earth"}, "the Earth", ""),
        (CITE, {"title": "T", "url": "https://e.org/"}, "[T](https://e.org/)", ""),
        (URL, {"title": "M", "url": "https://b.org/"}, "[M](https://b.org/)", "M"),
        (URL, {"item": {"url": "https://b.org/"}}, "[Boat Manual](https://b.org/)", "Boat Manual"),
        (URL, {"title": "M|N", "url": "https://b.org/"}, "[M\\|N](https://b.org/)", "M|N"),
        (URL, {"url": "javascript:alert(1)"}, "Boat Manual", "Boat Manual"),
        (URL, {"alt": "[M](https://b.org/)"}, "[M](https://b.org/)", "M"),
        (
            FORMULA,
            {"category": "learning_block", "data": {"content": "y"}, "alt": FORMULA},
            "$$y$$",
            "$$y$$",
        ),
        (FORMULA, {"category": "other", "data": {"content": "y"}}, "$$x^2$$", "$$x^2$$"),
    ],
)
def test_the_words_of_the_reference_go_before_those_of_the_marker(
    marker: str, fields: dict[str, object], text: str, words: str
) -> None:
    shown = shown_at(marker, reference(marker, **fields))
    assert (shown.text, shown.words) == (text, words)


def test_a_marker_may_name_a_page_of_the_web_itself() -> None:
    assert (
        shown_at("\ue200url\ue202a\ue202https://e.org/(b\ue201", None).text
        == "[a](https://e.org/%28b)"
    )
    assert shown_at("\ue200url\ue202a\ue202file:///etc\ue201", None).text == "a"


def test_deep_json_of_a_marker_never_raises() -> None:
    deep = '{"selections":[' * 900
    assert shown_at(f"\ue200products\ue202{deep}\ue201", None).text == ""
    nested = "[" * 900 + "]" * 900
    assert shown_at(f"\ue200entity\ue202{nested}\ue201", None).text == ""
