"""Plain answers: about what was asked, in its language, with the talk so far in mind."""

import operator
import re
from collections.abc import Callable
from fractions import Fraction

from upstream.demo.ground.questions import Said
from upstream.demo.ground.scene import Scene

EXCERPT_CHARS = 200
_SUM = re.compile(r"(?<![\d./-])(-?\d+(?:\.\d+)?)\s*([-+*/xX×÷])\s*(-?\d+(?:\.\d+)?)(?![\d/-])")
OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
SIGNS = {"x": "*", "X": "*", "×": "*", "÷": "/"}
MAX_SUM_CHARS = 40
ASKS_FIRST = re.compile(r"\bfirst\b|第一(句|个|条|次)|最(先|早|开始)", re.IGNORECASE)
ASKS_ABOUT_TALK = re.compile(r"\b(said?|say|asked|ask|message|question)\b|说|问", re.IGNORECASE)
ASKS_BEFORE = re.compile(r"\b(before|previous|last)\b|上一|刚才|之前", re.IGNORECASE)
ASKS_NAME = re.compile(
    r"what(?:'s| is) my name|who am i|我叫什么|我是谁|我的名字是什么", re.IGNORECASE
)
TELLS_NAME = re.compile(
    r"(?:my name is|i am called|我叫|我的名字是)\s*([\w-]{1,40}?)(?=\b|[，。,.！!]|$)",
    re.IGNORECASE,
)


def answer(scene: Scene) -> str:
    """Return a whole plain answer."""
    head = scene.words("Demo answer: ", "演示回答：")
    body = _known(scene) or _echo(scene)
    return head + body + _about_files(scene) + _about_gpt(scene)


def play(scene: Scene) -> None:
    """Say the plain answer."""
    scene.say(answer(scene))


def _known(scene: Scene) -> str:
    text = scene.question.text
    if total := computed(text):
        return total
    earlier = [said.text for said in scene.question.history[:-1] if said.role == "user"]
    if ASKS_NAME.search(text):
        return _name(scene, earlier)
    if earlier and ASKS_ABOUT_TALK.search(text):
        if ASKS_FIRST.search(text):
            first = _quoted(earlier[0])
            return scene.words(
                f"the first thing you said was {first}.", f"你说的第一句话是{first}。"
            )
        if ASKS_BEFORE.search(text):
            last = _quoted(earlier[-1])
            return scene.words(f"before this you said {last}.", f"在这之前你说的是{last}。")
    return ""


def computed(text: str) -> str:
    """Return the first sum of a text with its result, or an empty string."""
    found = _SUM.search(text)
    if found is None or len(found[0]) > MAX_SUM_CHARS:
        return ""
    left, sign, right = found.groups()
    plain_sign = SIGNS.get(sign, sign)
    if plain_sign == "/" and not Fraction(right):
        return f"{left}/{right}=∞"
    value = OPERATIONS[plain_sign](Fraction(left), Fraction(right))
    shown = str(value) if value.denominator == 1 else f"{float(value):.10g}"
    return f"{left}{plain_sign}{right}={shown}"


def _name(scene: Scene, earlier: list[str]) -> str:
    for text in reversed(earlier):
        if found := TELLS_NAME.search(text):
            return scene.words("your name is ", "你的名字是") + found[1]
    return scene.words("you have not told me your name.", "你还没有告诉我你的名字。")


def _echo(scene: Scene) -> str:
    question = scene.question
    text = _quoted(question.text)
    said = scene.words(
        f"you said {text} and no model has thought about it. ",
        f"你说的是{text}，没有模型为此思考过。",
    )
    earlier = _talk(question.history)
    if len(earlier) > 1:
        said += scene.words(
            f"Our talk began with {_quoted(earlier[0].text)}, {len(earlier)} messages ago. ",
            f"我们的谈话开始于{_quoted(earlier[0].text)}，到现在有{len(earlier)}条消息。",
        )
    told = [one.text for one in question.history if one.role in {"system", "critic"} and one.text]
    if told:
        instructions = scene.words(" and ", "和").join(map(_quoted, told))
        said += scene.words(
            f"My instructions are {instructions}. ", f"我得到的指示是{instructions}。"
        )
    said += scene.words(
        f"I am {question.model}, played by the demo upstream; write help to see what it can do.",
        f"我是演示上游扮演的 {question.model}；输入“帮助”可以看到它会做什么。",
    )
    return said


def _talk(history: tuple[Said, ...]) -> list[Said]:
    return [said for said in history if said.role in {"user", "assistant"} and said.text]


def _quoted(text: str) -> str:
    short = text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "…"
    return f"“{short}”"


def _about_files(scene: Scene) -> str:
    attachments = scene.question.attachments
    if not attachments:
        return ""
    known = []
    for attachment in attachments:
        stored = scene.files.owned(scene.question.owner, attachment.id)
        if stored is None or not stored.is_uploaded:
            known.append(f"{attachment.id} ({scene.words('unknown', '未知')})")
        else:
            known.append(f"{attachment.name or stored.name} ({attachment.id}, {stored.size} bytes)")
    files = "1 file" if len(known) == 1 else f"{len(known)} files"
    head = scene.words(f"You sent {files}: ", f"你发来了 {len(known)} 个文件：")
    return f"\n\n{head}{', '.join(known)}."


def _about_gpt(scene: Scene) -> str:
    gizmo_id = scene.question.gizmo_id
    return f" (GPT {gizmo_id})" if gizmo_id else ""
