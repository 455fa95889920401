"""Plays a folder and tells what came out."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.replay import evidence, lab
from simulator.replay.comparison import Verdict
from simulator.replay.known_differences import reason_of
from simulator.replay.player import Player
from simulator.replay.stepped_clock import SteppedClock
from simulator.replay.transcripts import Exchange, Transcript, read_folder
from simulator.simulator import Simulator

COLUMNS = ("file", "exchanges", "modelled", "same_status", "same_shape", "same_text")


@dataclass(frozen=True)
class Played:
    """One exchange and how it came out; no verdict when the endpoint is not modelled."""

    exchange: Exchange
    verdict: Verdict | None


def play_folder(folder: Path) -> list[Played]:
    """Play all transcripts of a folder against a simulator made for them."""
    transcripts = read_folder(folder)
    if not transcripts:
        raise FileNotFoundError(f"no transcripts in {folder}")
    before = evidence.collect(transcripts)
    played: list[Played] = []
    clock = SteppedClock()
    with ThreadPoolExecutor() as pool, Simulator(lab.configuration(transcripts), clock) as simulator:
        simulator.call(lambda server: server.freeze_broadcast())
        simulator.call(lambda server: lab.add_missing_tokens(server, transcripts))
        player = Player(simulator, clock, pool)
        for transcript in transcripts:
            _prepare(simulator, before[transcript.name])
            played += _play(player, transcript)
    return sorted(played, key=lambda one: (one.exchange.file, one.exchange.number))


def _prepare(simulator: Simulator, before: evidence.Before) -> None:
    simulator.call(lambda server: lab.prepare(server, before))


def _play(player: Player, transcript: Transcript) -> Iterator[Played]:
    waiting = list(transcript.exchanges)
    while waiting:
        exchange = waiting[0]
        if not exchange.is_request:
            player.note(waiting.pop(0))
            continue
        group, waiting = waiting[: exchange.burst], waiting[exchange.burst :]
        if not player.is_modelled(exchange):
            yield from (Played(one, None) for one in group)
            continue
        verdicts = player.play(group)
        yield from (Played(one, verdict) for one, verdict in zip(group, verdicts, strict=True))


def totals(played: list[Played]) -> dict[str, int]:
    """Counts over exchanges."""
    verdicts = [one.verdict for one in played if one.verdict is not None]
    return {
        "exchanges": len(played),
        "modelled": len(verdicts),
        "same_status": sum(verdict.status for verdict in verdicts),
        "same_shape": sum(verdict.shape for verdict in verdicts),
        "same_text": sum(verdict.text for verdict in verdicts),
    }


def by_file(played: list[Played]) -> list[dict[str, Any]]:
    """The counts of each file."""
    files = sorted({one.exchange.file for one in played})
    return [{"file": name, **totals([one for one in played if one.exchange.file == name])} for name in files]


def as_json(played: list[Played]) -> Iterator[str]:
    """One object a line and exchange, at last the totals."""
    for one in played:
        verdict = one.verdict
        line: dict[str, Any] = {
            "file": one.exchange.file,
            "number": one.exchange.number,
            "method": one.exchange.method,
            "path": one.exchange.path,
            "modelled": verdict is not None,
        }
        if verdict is not None:
            line |= {
                "same_status": verdict.status,
                "same_shape": verdict.shape,
                "same_text": verdict.text,
                "difference": verdict.detail,
            }
            if not verdict.is_same:
                line["known"] = reason_of(one.exchange)
        yield json.dumps(line, ensure_ascii=False)
    files = len({one.exchange.file for one in played})
    yield json.dumps({"files": files, **totals(played)})


def as_table(played: list[Played]) -> Iterator[str]:
    """For people: one line a file, the totals, and what differs."""
    rows = [*by_file(played), {"file": "all", **totals(played)}]
    widths = {column: max(len(column), *(len(str(row[column])) for row in rows)) for column in COLUMNS}
    yield "  ".join(column.ljust(widths[column]) for column in COLUMNS)
    for row in rows:
        yield "  ".join(str(row[column]).ljust(widths[column]) for column in COLUMNS)
    for one in played:
        if one.verdict is None:
            yield f"{_where(one.exchange)}: not modelled"
        elif not one.verdict.is_same:
            yield f"{_where(one.exchange)}: {reason_of(one.exchange) or one.verdict.detail}"


def _where(exchange: Exchange) -> str:
    return f"{exchange.file} {exchange.number} {exchange.method} {exchange.path[:100]}"
