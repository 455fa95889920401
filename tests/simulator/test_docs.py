"""What docs/simulator.md says is so."""

from pathlib import Path

from simulator.api.routes import ENDPOINTS
from simulator.faults.catalogue import CATALOGUE

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def test_every_fault_is_documented_in_its_own_words() -> None:
    assert [name for name, kind in CATALOGUE.items() if f"| `{name}` | {kind.what} |" not in TEXT] == []


def test_the_number_of_endpoints_is_right() -> None:
    assert f"{len(ENDPOINTS)} endpoints" in TEXT
