"""Sends a mix of requests, some with faults, and compares what both sides say of each.

    python -m bench.mixed [--requests 10000] [--faults 0.05] [--callers 200] [--credentials 100]

The gateway is a process of its own with a demo upstream. The demo lists for each request what it
has played (`/demo/plays`), the gateway's access log says how the answer ended. Each outcome has to
be the one that spec 6.4 gives for what was played, their sums have to be those of `/metrics`, and
no answer may be a 5xx of the gateway's own.
"""

import argparse
import asyncio
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from msgspec import Struct

from bench.soak import ACCESS_TOKEN, REFRESH_TOKEN, demo, gateway

ANSWER_SECONDS = 1200.0  # a giant event takes minutes on a busy machine, 32 KiB at a time
SHOWN_PROBLEMS = 30
# Errors of the gateway's own, whatever the upstream does (spec 11).
OWN_CODES = {"internal_error", "storage_error", "server_shutdown", "insufficient_storage"}
# Questions for any endpoint, and how often each is chosen.
SCENES = {
    "Hello": 30,
    "What is 6 * 7?": 10,
    "think about boats": 5,
    "answer like o1": 5,
    "run code for 6*7": 5,
    "browse for boats": 5,
    "search for boats": 5,
    "several messages": 5,
    "emoji": 5,
    "hidden messages": 5,
    "long 200": 5,
    "moderation": 3,
    "token limit": 3,
    "draw two boats of 64x64": 3,
    "make report.csv": 3,
    "two answers": 3,
}
# Scenario -> outcome of the answer, if it is not complete (spec 6.4).
BY_SCENARIO = {"blocked": "filtered", "blocked_2023": "filtered", "max_tokens": "length"}
# Fault in the question -> outcome of the answer.
FAULTS = {
    "cut 3": "cut",
    "cut 0": "cut",
    "close 2": "cut",
    "stall 2": "silent",
    "pingstall 1": "silent",
    "error 2": "failed",
    "error:interruption_server_error 0": "failed",
    "giant": "failed",
    "websocket": "failed",
    "refuse": "failed",
    "empty": "empty",
    "errorbody:model_cap_exceeded 60": "refused",
    "html200": "refused",
    "plain": "refused",
    "401": "refused",
    "403": "refused",
    "403html": "refused",
    "404": "refused",
    "404model": "refused",
    "413": "refused",
    "422": "refused",
    "429": "refused",
    "429 60": "refused",
    "429cap": "refused",
    "429string 30": "refused",
    "500": "refused",
    "502": "refused",
    "503": "refused",
    "503html": "refused",
    "504": "refused",
    "garbage": "complete",
    "nodone": "complete",
    "slow 1": "complete",
    "slowbody 1": "complete",
    "handoff": "complete",
    "handoff410": "complete",
}
BY_FAULT = {asked.split()[0].split(":")[0]: outcome for asked, outcome in FAULTS.items()}
_LINE = re.compile(r"request_id=(m\d+) .*?status=(\d+) outcome=(\w+)")


class Asked(Struct, frozen=True):
    """One request, and its answer as the caller saw it."""

    mark: str
    path: str
    status: int = 0
    code: str = ""
    error: str = ""
    seconds: float = 0.0


def bodies(mark: str, chance: random.Random, faults: float) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a random request."""
    if chance.random() < faults:
        question = f"/fault {chance.choice(list(FAULTS))} long 40"
    else:
        question = chance.choices(list(SCENES), list(SCENES.values()))[0]
    text, is_stream = f"/mark {mark} {question}", chance.random() < 0.5
    match chance.choices(["chat", "response", "completion", "picture"], [60, 20, 15, 5])[0]:
        case "response":
            return "responses", {"model": "gpt-4o", "input": text, "stream": is_stream}
        case "completion":
            return "completions", {"model": "gpt-4o", "prompt": text, "stream": is_stream}
        case "picture":
            prompt = text if "/fault" in text else f"/mark {mark} two boats"
            return "images/generations", {"model": "gpt-4o", "prompt": prompt, "size": "64x64"}
    messages = [{"role": "user", "content": text}]
    return "chat/completions", {"model": "gpt-4o", "messages": messages, "stream": is_stream}


async def ask(session: ClientSession, address: str, token: str, asked: Asked, body: Any) -> Asked:
    """Send one request and return how it was answered."""
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": asked.mark}
    began = time.monotonic()
    status, code, error = 0, "", ""
    try:
        async with session.post(f"{address}/v1/{asked.path}", json=body, headers=headers) as got:
            status, raw = got.status, await got.read()
        code = code_in(raw)
    except (ClientError, TimeoutError, OSError) as broken:
        error = repr(broken)
    return Asked(asked.mark, asked.path, status, code, error, time.monotonic() - began)


def code_in(raw: bytes) -> str:
    """Return the error code in a reply or in the last event of a stream, or ''."""
    last = raw.strip().rpartition(b"\n")[2].removeprefix(b"data: ")
    if last == b"[DONE]":
        return ""
    reply = json.loads(last)
    error = reply.get("error") or reply.get("response", {}).get("error")
    return str(error["code"]) if error else ""


async def ask_all(address: str, options: argparse.Namespace) -> list[Asked]:
    """Send all requests, `options.callers` at a time."""
    chance = random.Random(options.seed)
    marks = iter([f"m{number:06}" for number in range(options.requests)])
    done: list[Asked] = []
    connector = TCPConnector(limit=0)

    async def call(number: int) -> None:
        kind = REFRESH_TOKEN if number % 2 else ACCESS_TOKEN
        token = kind.format(number=number % options.credentials)
        for mark in marks:
            path, body = bodies(mark, chance, options.faults)
            done.append(await ask(session, address, token, Asked(mark, path), body))
            if len(done) % 1000 == 0:
                print(f"{len(done)} answered", flush=True)

    async with (
        ClientSession(connector=connector, timeout=ClientTimeout(ANSWER_SECONDS)) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in range(options.callers):
            group.create_task(call(number))
    return done


def wanted_of(play: dict[str, Any]) -> str:
    """Return the outcome that spec 6.4 gives for what was played."""
    if play["fault"]:
        return BY_FAULT[play["fault"]]
    return BY_SCENARIO.get(play["scenario"], "complete")


def compare(
    done: list[Asked], plays: list[dict[str, Any]], log: str, counted: Counter[str]
) -> Iterator[str]:
    """Yield each difference between what the demo played and what the gateway says."""
    played = {play["mark"]: play for play in plays}  # the last play of a turn that was sent again
    logged = {mark: (int(status), outcome) for mark, status, outcome in _LINE.findall(log)}
    for asked in done:
        play, line = played.get(asked.mark), logged.get(asked.mark)
        told = (
            f"{asked.mark} {asked.path} {play}: {line}, {asked.status} {asked.code} {asked.error}"
        )
        if play is None or line is None:
            yield f"not known on both sides: {told}"
            continue
        wanted = wanted_of(play)
        if (
            asked.path == "images/generations"
            and wanted == "complete"
            and play["scenario"]
            not in (
                "picture",
                "picture_native",
            )
        ):
            wanted = "refused"  # text without a picture (spec 9)
        if line != (asked.status, wanted):
            yield f"{wanted} was played: {told}"
        is_own = asked.code in OWN_CODES or (
            asked.status >= 500 and wanted in ("complete", "length")
        )
        if asked.error or is_own:
            yield f"the gateway's own: {told}"
    if counted != Counter(outcome for _, outcome in logged.values()):
        yield f"/metrics says {dict(counted)}"


async def outcomes(address: str) -> Counter[str]:
    """Return the number of answers by outcome, as `/metrics` has it."""
    async with ClientSession() as session, session.get(f"{address}/metrics") as response:
        found = re.findall(
            r'gateway_outcomes_total\{outcome="(\w+)"\} ([\d.]+)', await response.text()
        )
    return Counter({outcome: int(float(count)) for outcome, count in found})


async def run(options: argparse.Namespace) -> int:
    """Send the requests, compare and print; return the number of differences."""
    with tempfile.TemporaryDirectory(prefix="mixed-") as name:
        above, below = Path(name) / "gateway", Path(name) / "demo"
        (above / "tmp").mkdir(parents=True)
        below.mkdir()
        settings = {"GATEWAY_UPSTREAM__IDLE_SECONDS": str(options.idle_seconds)}
        async with (
            demo("v1", below) as upstream,
            gateway(upstream, above, "sqlite:data/state.db", **settings) as watched,
        ):
            began = time.monotonic()
            done = await ask_all(watched.address, options)
            seconds = time.monotonic() - began
            counted = await outcomes(watched.address)
            async with (
                ClientSession() as session,
                session.get(f"{upstream}/demo/plays") as response,
            ):
                plays = await response.json()
            log = (above / "stderr.txt").read_text("utf-8")
            holds = await watched.holds()
    problems = list(compare(done, plays, log, counted))
    report(done, plays, counted, seconds)
    print(f"open turns {holds.open_turns:g}, waiting {holds.queued_turns:g}, left {holds.leavings}")
    for problem in problems[:SHOWN_PROBLEMS]:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} differences")
    return len(problems) + bool(holds.open_turns or holds.queued_turns)


def report(
    done: list[Asked], plays: list[dict[str, Any]], counted: Counter[str], seconds: float
) -> None:
    """Print the figures."""
    last = {play["mark"]: play for play in plays}
    faulty = Counter(play["fault"] for play in last.values() if play["fault"])
    waits = sorted(asked.seconds for asked in done)
    p50, p99 = (waits[int(part * (len(waits) - 1))] for part in (0.5, 0.99))
    print(f"\n{len(done)} requests in {seconds:.0f} s, {len(done) / seconds:.0f} a second")
    print(f"an answer: p50 {p50:.2f} s, p99 {p99:.2f} s")
    print(
        f"turns played {len(plays)}, of requests with a fault {sum(faulty.values())}: {dict(faulty)}"
    )
    print(f"statuses {dict(Counter(asked.status for asked in done))}")
    print(f"outcomes {dict(counted)}")


def main() -> None:
    """Run; the exit status is 1 if the two sides differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--faults", type=float, default=0.05, help="their part of the requests")
    parser.add_argument("--callers", type=int, default=200, help="requests at once")
    parser.add_argument("--credentials", type=int, default=100)
    parser.add_argument("--idle-seconds", type=float, default=15.0, help="upstream.idle_seconds")
    parser.add_argument("--seed", type=int, default=1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(min(1, runner.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
