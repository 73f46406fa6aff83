"""Which scenario a question calls for, and the list of all of them."""

import re
from collections.abc import Callable

import msgspec

from upstream.demo.ground.faults import FAULT_NAMES
from upstream.demo.ground.scene import Scene
from upstream.demo.ground.script import Script
from upstream.demo.scenes import drawing, obedience, plain, reasoning, research, talking, tools
from upstream.demo.scenes.surroundings import close_scene, open_scene

Player = Callable[[Scene], None]

DALLE_GIZMO = "g-2fkFE8rbu"
_DRAW = (
    r"(\b(draw|paint|sketch|illustrate)\b|\b(generate|create|make|want)\b.{0,30}\b(image|picture|photo|logo)s?\b"
    r"|\bpicture of\b|绘图|绘制|绘画|画(?!布|面|了|的是|里|中)|生成.{0,8}(图片|图像))"
)


class Scenario(msgspec.Struct, frozen=True):
    """One scenario: its name, the words that choose it, how to ask for it."""

    name: str
    words: str
    """A regular expression, searched in the last user message; empty: by name only."""
    example: str
    play: Player


def play_help(scene: Scene) -> None:
    """List the scenarios."""
    head = scene.words(
        "Demo upstream. What you write chooses what you see:\n\n",
        "演示上游。你写的内容决定你看到的场景：\n\n",
    )
    tail = scene.words(
        "\n`/scene NAME` asks for one by name, `/fault NAME` breaks the answer.",
        "\n`/scene 名称` 按名称选择场景，`/fault 名称` 让回答出错。",
    )
    faults = "\n\n`/fault " + " | ".join(FAULT_NAMES) + "`"
    lines = "".join(f"- {one.name}: {one.example}\n" for one in SCENARIOS)
    scene.say(head + lines + tail + faults)


SCENARIOS = (
    Scenario(
        "repeat",
        talking.REPEAT_WORDS,
        "repeat the text below word for word / 逐字重复",
        talking.play_repeat,
    ),
    Scenario("help", r"^\W*(help|scenarios|帮助|场景)\W*$", "help / 帮助", play_help),
    Scenario(
        "picture_refused",
        rf"^(?=.*{_DRAW})(?=.*(refuse|forbidden|拒绝|违规))",
        "draw something forbidden / 画一个违规的",
        drawing.play_refused,
    ),
    Scenario(
        "picture_later",
        rf"^(?=.*{_DRAW})(?=.*(\blater\b|\basync\b|稍后|等一会))",
        "draw a cat later / 稍后画一只猫",
        drawing.play_later,
    ),
    Scenario(
        "picture_preview",
        rf"^(?=.*{_DRAW})(?=.*(\bpreview\b|预览))",
        "draw a cat with preview",
        drawing.play_preview,
    ),
    Scenario(
        "picture_native",
        rf"^(?=.*{_DRAW})(?=.*(\bnative(ly)?\b|sediment|原生))",
        "draw a cat natively / 原生画一只猫",
        drawing.play_native,
    ),
    Scenario("picture", _DRAW, "draw two boats / 画两只船", drawing.play_dalle),
    Scenario("canvas", r"\bcanvas\b|画布", "write on the canvas / 写在画布上", tools.play_canvas),
    Scenario(
        "chart", r"\b(chart|plot|histogram)\b|图表|柱状图", "plot a chart / 图表", tools.play_chart
    ),
    Scenario(
        "file",
        r"\b(csv|spreadsheet)\b|\.(csv|xlsx|zip)\b|sandbox|表格文件|生成文件",
        "make report.csv / 生成文件",
        tools.play_file,
    ),
    Scenario(
        "code",
        r"\b(run|execute)\b.*\b(python|code)\b|code interpreter|运行.*代码|代码解释器",
        "run code for 6*7 / 运行代码",
        tools.play_code,
    ),
    Scenario(
        "file_search",
        r"\bfile search\b|\bin (my|the) files?\b|检索文件|文件检索",
        "file search / 文件检索",
        research.play_file_search,
    ),
    Scenario(
        "browse", r"\bbrows(e|ing)\b|浏览", "browse for boats / 浏览网页", research.play_browse
    ),
    Scenario(
        "search",
        r"\bsearch\b|\bnews\b|搜索|新闻",
        "search for boats / 搜索船",
        research.play_search,
    ),
    Scenario("o1", r"\bo1\b", "answer like o1", reasoning.play_o1),
    Scenario(
        "thoughts",
        r"\b(think|reason(ing)?)\b|思考|推理",
        "think about boats / 思考一下",
        reasoning.play_thoughts,
    ),
    Scenario(
        "several",
        r"\bseveral messages\b|\bstep by step\b|多条消息|分步",
        "several messages / 多条消息",
        talking.play_several,
    ),
    Scenario(
        "two_answers",
        r"\btwo answers\b|\bvariants?\b|两个回答|两个答案",
        "two answers / 两个回答",
        talking.play_two_answers,
    ),
    Scenario(
        "consent",
        r"\b(call|run) an? action\b|\bconsent\b|授权",
        "call an action / 授权",
        tools.play_consent,
    ),
    Scenario(
        "system_error",
        r"\bsystem error\b|\btool (error|fails)\b|系统错误|工具失败",
        "system error / 系统错误",
        tools.play_system_error,
    ),
    Scenario(
        "blocked_2023",
        r"\bold moderation\b|旧审核",
        "old moderation / 旧审核",
        talking.play_blocked_2023,
    ),
    Scenario(
        "blocked",
        r"\bmoderation\b|\bblocked\b|审核|屏蔽",
        "moderation / 审核",
        talking.play_blocked,
    ),
    Scenario(
        "max_tokens",
        r"\bmax[ _]tokens\b|\btoken limit\b|截断|长度上限",
        "token limit / 长度上限",
        talking.play_max_tokens,
    ),
    Scenario("hidden", r"\bhidden\b|隐藏", "hidden messages / 隐藏消息", talking.play_hidden),
    Scenario("emoji", r"\bemojis?\b|表情", "emoji / 表情", talking.play_emoji),
    Scenario(
        "long",
        r"(?<!how )\blong\b|\bessay\b|长文|长篇|作文",
        "long 500 (tokens) / 长文 500字",
        talking.play_long,
    ),
    Scenario(
        "slip",
        obedience.SLIP_WORDS,
        "do it first badly / 先错后对",
        obedience.play_slip,
    ),
    Scenario(
        "disobedient",
        obedience.DISOBEDIENT_WORDS,
        "disobey / 不听话",
        obedience.play_disobedient,
    ),
    Scenario("obedient", "", "/scene obedient", obedience.play_obedient),
    Scenario("rewrite", "", "/scene rewrite", talking.play_rewrite),
    Scenario("plain", "", "anything else / 其他任何话", plain.play),
)
_BY_NAME = {one.name: one for one in SCENARIOS}
_PATTERNS = [
    (re.compile(one.words, re.IGNORECASE | re.DOTALL), one) for one in SCENARIOS if one.words
]


def choose(scene: Scene) -> Scenario:
    """Return the scenario for a question: by name, instructions, words, hint, GPT or model."""
    question = scene.question
    if question.scene in _BY_NAME:
        return _BY_NAME[question.scene]
    if obedience.is_told(scene):
        return _BY_NAME[obedience.manner(scene)]
    by_words = next((one for words, one in _PATTERNS if words.search(question.text)), None)
    if "picture_v2" in question.hints and (by_words is None or by_words.name == "picture"):
        return _BY_NAME["picture_native"]
    if by_words:
        return by_words
    if question.gizmo_id == DALLE_GIZMO:
        return _BY_NAME["picture"]
    return _BY_NAME[_by_hint_or_model(question.hints, question.model)]


def play(scene: Scene, fault: str) -> Script:
    """Write the whole script; some faults change what is said, not how it is sent."""
    scenario = choose(scene)
    open_scene(scene, is_handed_over=fault.startswith("handoff"))
    if fault == "empty":
        scene.say("")  # the stored conversation says as well that this was all
    else:
        scenario.play(scene)
    close_scene(scene)
    return scene.script(scenario.name)


def _by_hint_or_model(hints: frozenset[str], model: str) -> str:
    if "search" in hints:
        return "search"
    if "reason" in hints:
        return "thoughts"
    return "o1" if model.startswith("o1") else "plain"
