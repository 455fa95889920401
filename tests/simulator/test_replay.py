"""Recordings of a real Proxmox VE, played against the simulator."""

import json
from pathlib import Path

import pytest

from simulator.command import main
from simulator.replay.comparison import compare, masked, shape
from simulator.replay.known_differences import KNOWN_DIFFERENCES, reason_of
from simulator.replay.report import Played, as_table, play_folder, totals

pytestmark = pytest.mark.xdist_group("replay")  # playing all takes seconds: once is enough
TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "pve" / "transcripts"


@pytest.fixture(scope="module")
def played() -> list[Played]:
    if not TRANSCRIPTS.is_dir():
        pytest.skip(f"no recordings at hand ({TRANSCRIPTS})")
    result = play_folder(TRANSCRIPTS)
    print("\n" + "\n".join(as_table(result)))
    return result


def test_the_bars_are_met(played: list[Played]) -> None:
    counts = totals(played)
    assert counts["modelled"] == counts["exchanges"]
    both = sum(1 for one in played if one.verdict and one.verdict.status and one.verdict.shape)
    assert both / counts["modelled"] >= 0.95
    assert counts["same_text"] / counts["modelled"] >= 0.90


def test_every_difference_is_known(played: list[Played]) -> None:
    different = [one for one in played if one.verdict is None or not one.verdict.is_same]
    assert [
        (one.exchange.file, one.exchange.number, one.verdict and one.verdict.detail)
        for one in different
        if reason_of(one.exchange) is None
    ] == []


def test_no_known_difference_is_outdated(played: list[Played]) -> None:
    different = [one.exchange for one in played if one.verdict is None or not one.verdict.is_same]
    assert [known.reason for known in KNOWN_DIFFERENCES if not any(map(known.matches, different))] == []


@pytest.mark.parametrize("name", ["04", "11"])
def test_what_a_recording_began_with_is_found_in_it(tmp_path: Path, name: str) -> None:
    found = next(iter(TRANSCRIPTS.glob(f"{name}-*.json")), None)
    if found is None:
        pytest.skip(f"no recordings at hand ({TRANSCRIPTS})")
    (tmp_path / found.name).write_text(found.read_text())
    counts = totals(play_folder(tmp_path))
    assert counts["same_shape"] / counts["modelled"] >= 0.95


def _recording(path: Path, exchanges: list[dict[str, object]]) -> None:
    (path / "01-own.json").write_text(json.dumps(exchanges))


def test_any_folder_can_be_played_and_differences_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exchange(method: str, path: str, status: int, reason: str, body: object) -> dict[str, object]:
        return {
            "method": method,
            "path": f"/api2/json{path}",
            "params": {},
            "auth": "root@pam ticket",
            "status": status,
            "reason": reason,
            "response_body": body,
        }

    version = {"data": {"version": "9.2.11", "release": "9.2", "repoid": "14a22df35955d97d"}}
    missing = "Configuration file 'nodes/pve1/qemu-server/777.conf' does not exist"
    _recording(
        tmp_path,
        [
            exchange("GET", "/version", 200, "OK", version),
            exchange("GET", "/nodes/pve1/qemu", 200, "OK", {"data": []}),
            exchange(
                "GET", "/nodes/pve1/qemu/777/config", 500, missing, {"data": None, "message": f"{missing}\n"}
            ),
            exchange("GET", "/version", 200, "OK", {"data": {"version": "10"}}),
            exchange("GET", "/nodes/pve1/ceph/status", 200, "OK", {"data": {}}),
        ],
    )
    assert main(["replay", str(tmp_path), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {
        "files": 1,
        "exchanges": 5,
        "modelled": 4,
        "same_status": 4,
        "same_shape": 3,
        "same_text": 4,
    }
    assert [line["modelled"] for line in lines[:-1]] == [True, True, True, True, False]
    assert lines[3]["difference"].startswith("shape data:")
    assert main(["replay", str(tmp_path)]) == 0
    assert "not modelled" in capsys.readouterr().out


def test_ids_and_times_are_masked() -> None:
    line = "UPID:vm01:000005B3:0003C222:6B044054:qmclone:9000:a@pve!t1: BC:24:11:00:00:01 1795440724"
    assert masked(line) == "<upid> <mac> <time>"


def test_shapes_compare_keys_and_types_and_lists_as_sets() -> None:
    assert shape([{"a": 1}, {"a": 2}]) == shape([{"a": 3.5}])
    assert shape({"a": None}) != shape({"a": ""})
    verdict = compare((200, "OK", {"data": {"a": 1}}), (200, "OK", {"data": {"a": "1"}}))
    assert (verdict.status, verdict.shape, verdict.text) == (True, False, True)
    assert verdict.detail == 'shape data: a: "number" became "text"'
