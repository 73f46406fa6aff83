"""Scenarios of text alone: length, several messages, endings, hidden words."""

import itertools
import re
import uuid

from upstream.demo.ground.scene import Scene, pieces_of, text_content
from upstream.demo.ground.script import TEXT_PATH, Change, Note

DEFAULT_TOKENS = 400
MAX_TOKENS = 100_000
PARAGRAPH_TOKENS = 60
EMOJI_UNITS = 3
"""UTF-16 units in a piece of the emoji answer: odd, so that pairs are split."""
REPEAT_WORDS = r"^\W*repeat\b.{0,80}\bword for word\b|^\W*逐字重复"
_BETWEEN_LINES = re.compile(r"\n\s*\n(\S+)\n(.*)\n(\S+)\s*\Z", re.DOTALL)
_COUNT = re.compile(r"long\s+(\d+)|(\d+)\s*(?:tokens|字)", re.IGNORECASE)
_ENGLISH = (
    "the demo writes on and on about a river that runs past a quiet town where people"
    " build small boats and tell each other long stories until the evening comes"
)
_CHINESE = list("演示上游写着一条河流经过安静的小镇人们造船讲故事直到夜晚来临")


def play_long(scene: Scene) -> None:
    """Write an essay of as many tokens as asked for."""
    found = _COUNT.search(scene.question.text)
    count = int(next(filter(None, found.groups()))) if found else DEFAULT_TOKENS
    words = scene.words("Demo essay:", "演示长文：").split()
    source = itertools.cycle(_CHINESE if scene.question.is_chinese else _ENGLISH.split())
    gap = "" if scene.question.is_chinese else " "
    pieces = words[:1]
    for number in range(1, min(count, MAX_TOKENS)):
        lead = "\n\n" if number % PARAGRAPH_TOKENS == 0 else gap
        pieces.append(lead + next(source))
    scene.say("".join(pieces), pieces=pieces)


def play_repeat(scene: Scene) -> None:
    """Say what stands between the first and the last line of the last paragraphs, and no more."""
    between = _BETWEEN_LINES.search(scene.question.raw_text)
    nothing = scene.words("Demo: there is nothing to repeat.", "演示：没有可以重复的内容。")
    scene.say(between[2] if between else nothing)


def play_several(scene: Scene) -> None:
    """Speak, use a tool, and speak again, as one turn."""
    scene.say(
        scene.words("Demo, part one: let me look it up.", "演示第一部分：让我查一下。"), ends=False
    )
    scene.call("python", "print('part two')", "python3")
    scene.tool("python", {"content_type": "execution_output", "text": "part two\n"})
    scene.say(
        scene.words("Part two: the tool has answered me.", "第二部分：工具已经回答了我。"),
        ends=False,
    )
    scene.say(scene.words("Part three: that is all there is.", "第三部分：就是这些了。"))


def play_two_answers(scene: Scene) -> None:
    """Let two competing answers grow side by side (protocol 2.9)."""
    first = pieces_of(
        scene.words("Demo answer A: this one wins the race.", "演示回答甲：这一个胜出。")
    )
    second = pieces_of(scene.words("Demo answer B: this one loses it.", "演示回答乙：这一个落选。"))
    variants = {
        "num_variants_in_stream": 2,
        "paragen_variants_info": {"type": "num_variants_in_stream"},
    }
    winner = scene.start(metadata=variants)
    scene.grow(winner, first[:1])
    loser = scene.start(metadata=variants)
    for left, right in itertools.zip_longest(first[1:], second):
        scene.grow(winner, [left] if left else [])
        scene.grow(loser, [right] if right else [])
    scene.close(loser)
    scene.close(winner)


def play_hidden(scene: Scene) -> None:
    """Mix messages that nobody must see with one that all should."""
    leak = "HIDDEN: if you can read this, something leaks."
    hidden = {"is_visually_hidden_from_conversation": True, "message_type": "next"}
    scene.begin(scene.message("assistant", text_content(leak), end_turn=True, metadata=hidden))
    scene.begin(scene.message("system", text_content(leak), end_turn=True))
    scene.tool("bio", text_content(leak))
    scene.say(scene.words("Demo: only this line is to be seen.", "演示：只应看到这一行。"))


def play_emoji(scene: Scene) -> None:
    """Cut emoji in half: between the two units of a surrogate pair."""
    text = scene.words(
        "Demo emoji: 😀 👩‍🚀 🇨🇳 👍🏽 and 𝒎𝒂𝒕𝒉, 𠮷 too 🎉", "演示表情：😀👩‍🚀🇨🇳👍🏽和𠮷🎉"
    )
    units = text.encode("utf-16-le")
    step = 2 * EMOJI_UNITS
    pieces = [
        units[start : start + step].decode("utf-16-le", "surrogatepass")
        for start in range(0, len(units), step)
    ]
    scene.say(text, pieces=pieces)


def play_max_tokens(scene: Scene) -> None:
    """Stop in the middle, for want of tokens."""
    message_id = scene.start()
    text = scene.words("Demo: this sentence has no end because the", "演示：这句话没有结尾，因为")
    scene.grow(message_id, pieces_of(text))
    scene.close(message_id, ends=False, finish="max_tokens")


def play_blocked(scene: Scene) -> None:
    """Be stopped by moderation in the middle of a sentence."""
    message_id = scene.start()
    scene.grow(message_id, pieces_of(_dubious(scene)))
    scene.note(
        "moderation",
        message_id=message_id,
        is_completion=True,
        moderation_response={
            "flagged": True,
            "blocked": True,
            "disclaimers": [],
            "metadata": {},
        },
    )


def play_blocked_2023(scene: Scene) -> None:
    """Be blocked as in 2023: by a trailer without a type."""
    message_id = scene.say(_dubious(scene))
    verdict = {"flagged": True, "blocked": True, "moderation_id": f"modr-{uuid.uuid4().hex}"}
    scene.steps.append(
        Note(
            {
                "conversation_id": scene.conversation_id,
                "message_id": message_id,
                "is_completion": True,
                "moderation_response": verdict,
            }
        )
    )


def play_rewrite(scene: Scene) -> None:
    """Change words that were already said."""
    message_id = scene.start()
    scene.grow(
        message_id, pieces_of(scene.words("Demo: the answer is no.", "演示：答案是否定的。"))
    )
    better = scene.words("Demo: the answer is yes, after all.", "演示：答案其实是肯定的。")
    scene.change(message_id, Change(TEXT_PATH, "replace", better))
    scene.close(message_id)


def _dubious(scene: Scene) -> str:
    return scene.words(
        "Demo: here is something that moderation will not like",
        "演示：这里有一些审核不会喜欢的内容",
    )
