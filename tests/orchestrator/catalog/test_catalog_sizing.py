"""Shares of a node."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog.sizing import Share, share


def sized(cores: int, ram: int, kept_cores: int = 2, kept_ram: int = 8) -> SimpleNamespace:
    return SimpleNamespace(cpu_cores=cores, ram_gb=ram, reserved_cores=kept_cores, reserved_ram_gb=kept_ram)


@pytest.mark.parametrize(
    ("node", "gpu_count", "gpus_in_all", "expected"),
    [
        (sized(66, 520), 1, 8, Share(8, 64)),
        (sized(66, 520), 8, 8, Share(64, 512)),
        (sized(64, 512), 1, 8, Share(7, 63)),
        (sized(64, 512), 2, 3, Share(41, 336)),
        (sized(4, 12), 1, 8, Share(1, 1)),
        (sized(8, 32, 0, 0), 4, 4, Share(8, 32)),
    ],
)
def test_shares(node, gpu_count, gpus_in_all, expected):
    assert share(node, gpu_count=gpu_count, gpus_in_all=gpus_in_all) == expected


@pytest.mark.parametrize(("gpu_count", "gpus_in_all"), [(0, 8), (9, 8), (1, 0)])
def test_no_share_without_gpus(gpu_count, gpus_in_all):
    with pytest.raises(ValueError, match=f"^{gpu_count} of {gpus_in_all} GPUs is no share of a node$"):
        share(sized(66, 520), gpu_count=gpu_count, gpus_in_all=gpus_in_all)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=8), st.integers(66, 1000), st.integers(72, 4000))
def test_all_shares_together_fit(counts, cores, ram):
    shares = [share(sized(cores, ram), gpu_count=count, gpus_in_all=sum(counts)) for count in counts]
    assert sum(one.cpu_cores for one in shares) <= cores - 2
    assert sum(one.ram_gb for one in shares) <= ram - 8
