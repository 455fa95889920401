"""The lab: traces, labels, the machine on small traces whose outcome can be told by hand, and its command."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.errors import ConfigurationError
from orchestrator.lab import books, plots
from orchestrator.lab.fleet import Index
from orchestrator.lab.machine import Machine
from orchestrator.lab.metrics import Counts, Figure, differences, summarise
from orchestrator.lab.policies import NONE, POLICIES, Policy, youngest
from orchestrator.lab.trace import Request, is_interruptible, load
from orchestrator.lab.vms import Variant

PHILLY = Path(__file__).parents[4] / "shared" / "traces" / "philly-requests.csv.gz"
HEAD = "id,arrival_s,duration_s,gpus"


def request(name: str, arrival: float, seconds: float, gpus: int) -> Request:
    return Request(name, arrival, seconds, gpus, None)


def outcome(
    *requests: tuple[Request, bool],
    policy: Policy = POLICIES["ours-no-headroom"],
    nodes: int = 1,
    variant: Variant = "N",
    end: float = 100_000,
    saves: bool = False,
) -> dict[str, float]:
    return Machine(requests, nodes=nodes, policy=policy, variant=variant, window=(0, end), saves=saves).run()


class TestTraces:
    def test_rows_are_read_by_arrival_without_those_that_no_vm_can_be(self, tmp_path: Path) -> None:
        path = tmp_path / "trace.csv"
        path.write_text(f"{HEAD}\nb,20,5,2\na,10,5,1\nlarge,5,5,16\nnever,6,,1\n")
        assert [(one.id, one.interruptible) for one in load(path)] == [("a", None), ("b", None)]

    def test_classes_of_the_trace_count(self, tmp_path: Path) -> None:
        path = tmp_path / "trace.csv.gz"
        with gzip.open(path, "wt") as file:
            file.write(f"{HEAD},class\na,10,5,1,interruptible\nb,20,5,1,on_demand\n")
        assert [is_interruptible(one, "", 0.0) for one in load(path)] == [True, False]

    @pytest.mark.parametrize("text", ["id,gpus\n", f"{HEAD}\na,soon,5,1\n"])
    def test_what_is_no_trace_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "trace.csv"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="trace"):
            load(path)

    def test_labels_are_those_of_the_published_rule(self) -> None:
        """p000001 hashes to a7e23832, p000002 to 67681492."""
        first, second = request("p000001", 0, 1, 1), request("p000002", 0, 1, 1)
        assert [is_interruptible(one, "", 0.30) for one in (first, second)] == [False, False]
        assert [is_interruptible(one, "", 0.50) for one in (first, second)] == [False, True]

    def test_the_salt_stands_before_the_id(self) -> None:
        """ap000001 hashes to 97054b45, ap000002 to 8807d844 (p000002a would be 00ef5cf7)."""
        first, second = request("p000001", 0, 1, 1), request("p000002", 0, 1, 1)
        assert [is_interruptible(one, "a", 0.55) for one in (first, second)] == [False, True]
        assert not is_interruptible(second, "a", 0.50)

    @pytest.mark.skipif(not PHILLY.exists(), reason="the traces are not beside this checkout")
    def test_the_counts_are_those_of_the_published_table(self) -> None:
        requests = load(PHILLY)
        assert len(requests) == 81_958
        assert sum(is_interruptible(one, "", 0.30) for one in requests) == 24_593


class TestMachine:
    def test_a_victim_gives_way_after_its_notice_and_comes_back(self) -> None:
        told = outcome((request("i", 0, 10_000, 8), True), (request("od", 5_000, 1_000, 8), False))
        assert told["interruptions"] == 1
        assert told["wait_p50_s"] == 120
        assert told["refused_percent"] == 0
        assert told["gpu_hours_lost"] == pytest.approx(8 * 1_400 / 3_600)
        assert told["notice_gpu_hours"] == pytest.approx(8 * 120 / 3_600)
        assert told["restart_gpu_hours"] == pytest.approx(8 * 60 / 3_600)
        # It stopped at 5 120, and the place was free at 6 120.
        assert told["down_p50_s"] == 1_000
        assert told["interruptions_per_start"] == 1 / 2
        # Full hours: one of the first run, one of the second; and an end.
        assert told["gfs_rate_percent"] == pytest.approx(100 / 4)
        # 5 120 s, then a minute to restart and what was left after the checkpoint at 3 600.
        assert told["interruptions_per_vm_hour"] == pytest.approx(3_600 / (5_120 + 60 + 6_400))

    def test_nobody_is_displaced_without_reclaim(self) -> None:
        told = outcome(
            (request("i", 0, 10_000, 8), True),
            (request("od", 5_000, 1_000, 8), False),
            policy=POLICIES["wait"],
        )
        assert (told["interruptions"], told["refused_percent"], told["wait_p50_s"]) == (0, 100, 5_000)

    def test_a_victim_that_ends_within_its_notice_hands_its_cards_on_earlier(self) -> None:
        told = outcome((request("i", 0, 5_060, 8), True), (request("od", 5_000, 1_000, 8), False))
        assert (told["interruptions"], told["wait_p50_s"]) == (0, 60)

    def test_surplus_cards_are_free_for_the_next(self) -> None:
        told = outcome(
            (request("i", 0, 50_000, 8), True),
            (request("od", 1_000, 10_000, 2), False),
            (request("small", 1_200, 1_000, 1), True),
        )
        assert (told["over_reclaimed_gpus"], told["interruptions"]) == (6, 1)
        assert told["queued_mean_s"] < 10_000

    def test_a_restart_that_is_interrupted_soon_is_thrash(self) -> None:
        told = outcome(
            (request("i", 0, 50_000, 8), True),
            (request("od", 1_000, 1_000, 8), False),
            (request("again", 2_400, 1_000, 8), False),
            policy=Policy(youngest, NONE),
        )
        assert (told["interruptions"], told["thrash"]) == (2, 1)

    def test_where_placement_is_free_it_comes_back_elsewhere(self) -> None:
        requests = [
            (request("i", 0, 10_000, 8), True),
            (request("fill", 10, 4_990, 8), False),
            (request("od", 4_000, 50_000, 8), False),
        ]
        assert outcome(*requests, nodes=2, variant="P")["still_down"] == 0
        assert outcome(*requests, nodes=2, variant="N", end=40_000)["still_down"] == 1

    def test_headroom_lets_new_ones_wait(self) -> None:
        crowd = [(request(f"i{n}", 0, 80_000, 1), True) for n in range(16)]
        assert outcome(*crowd, policy=POLICIES["static-10"], nodes=2)["queued_mean_s"] == 80_000 / 16
        assert outcome(*crowd, policy=POLICIES["ours-no-headroom"], nodes=2)["queued_mean_s"] == 0

    def test_interrupted_vms_come_before_new_ones(self) -> None:
        told = outcome(
            (request("i", 0, 50_000, 8), True),
            (request("od", 1_000, 4_000, 8), False),
            (request("new", 2_000, 1_000, 8), True),
        )
        assert told["down_p50_s"] == 4_000
        # It works from 5 180 for what is left: 50 000 s, as nothing was saved.
        assert told["queued_mean_s"] == (4_000 + 5_120 + 60 + 50_000 - 2_000) / 2

    def test_a_policy_that_finds_too_few_victims_is_caught(self) -> None:
        with pytest.raises(ValueError, match="no victims for 8 GPUs of node 0"):
            outcome(
                (request("i", 0, 9_000, 8), True),
                (request("od", 10, 9, 8), False),
                policy=Policy(lambda *_: (), NONE),
            )

    def test_a_fixed_node_is_waited_for(self) -> None:
        """r0 and r3 want node 0 of 2, r1 node 1."""
        blocked = [(request("r0", 0, 9_000, 8), False), (request("r3", 10, 1_000, 8), False)]
        other = (request("r1", 20, 1_000, 8), False)
        told = outcome(*blocked, other, nodes=2, variant="F")
        assert (told["refused_percent"], told["wait_p99_s"]) == (pytest.approx(100 / 3), 8_990)
        assert outcome(*blocked, nodes=2, variant="N")["refused_percent"] == 0

    def test_where_guests_save_within_the_notice_nothing_is_lost(self) -> None:
        requests = (request("i", 0, 10_000, 8), True), (request("od", 5_000, 1_000, 8), False)
        told = outcome(*requests, saves=True)
        assert (told["interruptions"], told["gpu_hours_lost"]) == (1, 0)
        # 5 120 s, then a minute to restart and what was left.
        assert told["interruptions_per_vm_hour"] == pytest.approx(3_600 / (5_120 + 60 + 4_880))

    @pytest.mark.parametrize("variant", ["N", "P", "F"])
    @pytest.mark.parametrize("name", POLICIES)
    def test_every_policy_keeps_the_books(self, name: str, variant: Variant) -> None:
        """`run` raises when GPUs, VMs or work get lost."""
        requests = [
            (request(f"r{n}", n * 37.0, 500 + n * 911 % 20_000, (1, 2, 4, 8)[n % 4]), n % 3 == 0)
            for n in range(300)
        ]
        told = outcome(*requests, policy=POLICIES[name], nodes=3, variant=variant, end=60_000)
        assert 0 < told["goodput_percent"] <= told["utilisation_percent"] <= 100
        assert 0 < told["jain"] <= 1


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(1, 9_000), st.sampled_from([1, 2, 4, 8]), st.booleans()),
        max_size=40,
    ),
    st.sampled_from(sorted(POLICIES)),
    st.sampled_from(["N", "P", "F"]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_gets_lost(rows: list[tuple[int, int, int, bool]], name: str, variant: Variant) -> None:
    at, requests = 0, []
    for number, (gap, seconds, gpus, interruptible) in enumerate(rows):
        at += gap
        requests.append((request(f"r{number}", at, seconds, gpus), interruptible))
    outcome(*requests, policy=POLICIES[name], nodes=2, variant=variant, end=40_000)


class TestBooks:
    @pytest.fixture
    def machine(self) -> Machine:
        requests = [(request("i", 0, 9_000, 4), True), (request("od", 10, 99_000, 4), False)]
        machine = Machine(
            requests, nodes=1, policy=POLICIES["ours-no-headroom"], variant="N", window=(0, 10_000)
        )
        machine.run()
        return machine

    def test_cards_that_got_lost(self, machine: Machine) -> None:
        machine.nodes.take(0, 1)
        with pytest.raises(ValueError, match="node 0 holds 4 GPUs and has 3 free ones"):
            books.check(machine)

    def test_a_vm_that_got_lost(self, machine: Machine) -> None:
        machine.ended -= 1
        with pytest.raises(ValueError, match="2 VMs came, 1 are known"):
            books.check(machine)

    def test_work_that_got_lost(self, machine: Machine) -> None:
        machine.vms[0].ran -= 1
        with pytest.raises(ValueError, match="VM i ran 8999"):
            books.check(machine)

    def test_a_node_never_has_more_than_its_cards(self) -> None:
        with pytest.raises(ValueError, match="9 free GPUs"):
            Index(1).change(0, 1)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (0, 3_599, 0),
        (0, 3_600, 0),
        (9_000, 12_600, 1),
        (9_000, 12_599, 0),
        (0, 17_999, 3),
        (6_000, 99_000, 3),
    ],
)
def test_full_hours_of_a_run_within_the_window(since: float, until: float, hours: int) -> None:
    assert Counts(7_200, 18_000).full_hours(since, until) == hours


def test_mean_and_standard_error() -> None:
    assert summarise([{"x": 1.0}, {"x": 3.0}]) == {"x": Figure(2.0, 1.0)}
    assert summarise([{"x": 1.0}]) == {"x": Figure(1.0, 0.0)}


def test_differences_are_paired() -> None:
    assert differences([{"x": 11.0}, {"x": 33.0}], [{"x": 10.0}, {"x": 32.0}]) == {"x": Figure(1.0, 0.0)}


class TestCommand:
    @pytest.fixture
    def trace(self, tmp_path: Path) -> Path:
        path = tmp_path / "trace.csv"
        rows = (f"r{n},{n * 60},{3000 + n},{(1, 2, 4, 8)[n % 4]}" for n in range(200))
        path.write_text("\n".join([HEAD, *rows]))
        return path

    def test_a_table_and_a_picture(self, trace: Path, tmp_path: Path) -> None:
        line = ["lab", "--trace", f"{trace}", "--nodes", "2", "--from-day", "0", "--to-day", "1"]
        shown = CliRunner().invoke(app, [*line, "--out", f"{tmp_path / 'pictures'}"])
        assert shown.exit_code == 0, shown.output
        assert "interruptions_per_vm_hour" in shown.output
        assert "Minus youngest" in shown.output
        assert (tmp_path / "pictures" / "lab-N-2.svg").read_text().startswith("<?xml")

    def test_json_for_scripts(self, trace: Path) -> None:
        line = ["lab", "--trace", f"{trace}", "--nodes", "2", "--from-day", "0", "--to-day", "1", "--json"]
        shown = CliRunner().invoke(app, [*line, "--policy", "wait", "--salts", "0"])
        told = json.loads(shown.stdout)
        assert told["figures"]["wait"]["interruptions"] == {"mean": 0.0, "error": 0.0}
        assert [run["interruptions"] for run in told["runs"]["wait"]] == [0.0]

    def test_what_is_not_there_is_named(self, trace: Path) -> None:
        shown = CliRunner().invoke(app, ["lab", "--trace", f"{trace}", "--policy", "magic"])
        assert isinstance(shown.exception, ConfigurationError)


def test_pictures_say_what_they_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match=r"innkeeper\[lab\]"):
        plots.draw({}, "", tmp_path / "none.svg")
