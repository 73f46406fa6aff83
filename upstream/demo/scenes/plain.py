"""Plain answers: about what was asked, in its language, with the talk so far in mind."""

import re

from upstream.demo.ground.sums import computed
from upstream.demo.ground.words import about_talk, quoted
from upstream.demo.scenes.questions import Question
from upstream.demo.scenes.scene import Scene

_ASKS_FIRST = re.compile(r"\bfirst\b|第一(句|个|条|次)|最(先|早|开始)", re.IGNORECASE)
_ASKS_ABOUT_TALK = re.compile(r"\b(said?|say|asked|ask|message|question)\b|说|问", re.IGNORECASE)
_ASKS_BEFORE = re.compile(r"\b(before|previous|last)\b|上一|刚才|之前", re.IGNORECASE)
_ASKS_NAME = re.compile(
    r"what(?:'s| is) my name|who am i|我叫什么|我是谁|我的名字是什么", re.IGNORECASE
)
_TELLS_NAME = re.compile(
    r"(?:my name is|i am called|我叫|我的名字是)\s*([\w-]{1,40}?)(?=\b|[，。,.！!]|$)",
    re.IGNORECASE,
)


def answer(scene: Scene) -> str:
    """Return a whole plain answer."""
    question = scene.question
    body = computed(question.text) or _remembered(question) or _echo(question)
    gpt = f" (GPT {question.gizmo_id})" if question.gizmo_id else ""
    return question.words("Demo answer: ", "演示回答：") + body + _about_files(scene) + gpt


def _remembered(question: Question) -> str:
    """Answer a question about the talk so far; empty if it is none."""
    text, words = question.text, question.words
    earlier = [said.text for said in question.history[:-1] if said.role == "user"]
    if _ASKS_NAME.search(text):
        names = [found[1] for one in earlier if (found := _TELLS_NAME.search(one))]
        if not names:
            return words("you have not told me your name.", "你还没有告诉我你的名字。")
        return words("your name is ", "你的名字是") + names[-1]
    if not earlier or not _ASKS_ABOUT_TALK.search(text):
        return ""
    first, last = quoted(earlier[0]), quoted(earlier[-1])
    if _ASKS_FIRST.search(text):
        return words(f"the first thing you said was {first}.", f"你说的第一句话是{first}。")
    if _ASKS_BEFORE.search(text):
        return words(f"before this you said {last}.", f"在这之前你说的是{last}。")
    return ""


def _echo(question: Question) -> str:
    words, model = question.words, question.model
    talk = [one.text for one in question.history if one.role in {"user", "assistant"} and one.text]
    told = [one.text for one in question.history if one.role in {"system", "critic"} and one.text]
    instructions = words(" and ", "和").join(map(quoted, told))
    said = about_talk(words, question.text, talk if len(talk) > 1 else (), instructions)
    own = words(
        f"I am {model}, played by the demo upstream; write help to see what it can do.",
        f"我是演示上游扮演的 {model}；输入“帮助”可以看到它会做什么。",
    )
    return words(" ", "").join([*said, own])


def _about_files(scene: Scene) -> str:
    known, words = [], scene.question.words
    for attachment in scene.question.attachments:
        stored = scene.files.owned(scene.question.owner, attachment.id)
        if stored is None or not stored.is_uploaded:
            known.append(f"{attachment.id} ({words('unknown', '未知')})")
        else:
            known.append(f"{attachment.name or stored.name} ({attachment.id}, {stored.size} bytes)")
    if not known:
        return ""
    files = "1 file" if len(known) == 1 else f"{len(known)} files"
    head = words(f"You sent {files}: ", f"你发来了 {len(known)} 个文件：")
    return f"\n\n{head}{', '.join(known)}."
