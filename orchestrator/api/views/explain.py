"""What a VM or a request waits for, what is in its way, and what would help."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from orchestrator.api.views.base import Utc, View
from orchestrator.policy.explain import BlockerKind, Reason, RemedyKind
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status


class BlockerView(View):
    """A fact that stands in the way. VMs of other accounts are counted, never named."""

    kind: BlockerKind
    text: str
    vm_id: UUID | None = Field(description="a VM of your own")
    rental_type: str | None
    vms: int | None
    gpus: int | None
    until: Utc | None = Field(description="end of the notice, or of the last one")


class RemedyView(View):
    """Something that would end the wait."""

    kind: RemedyKind
    text: str
    node: str | None = Field(description="what to ask for instead")
    gpu_count: int | None = Field(description="what to ask for instead")
    rental_type: str | None = Field(description="what to ask for instead")
    vm_id: UUID | None = Field(description="a VM of your own to start or end")
    seconds: int | None = Field(description="how long to wait")


class ExplainView(View):
    """Why a VM is not yet what was asked for. Most of it is null or empty for one that is."""

    status: Status
    reason: Reason
    waits_for: str | None = Field(description="in one sentence; null when nothing more happens by itself")
    since: Utc | None
    place_in_line: int | None = Field(
        description="counted from 1, among those who wait for GPUs of its type on its node"
    )
    line_length: int | None
    blocked_by: list[BlockerView]
    would_free_it: list[RemedyView] = Field(description="the cheapest first")
    estimate_seconds: int | None = Field(description="until it is what was asked for")
    estimate_basis: str | None = Field(description="what the estimate rests on, or why there is none")
    operation: Kind | None
    step: Step | None
    attempt: int | None = Field(description="starts of this step so far")
    state: Literal["open", "parked"] | None
    parked_for: Literal["capacity", "node", "operator"] | None
    last_error: str | None
    next_try_at: Utc | None = Field(description="at the latest; null: it is under way or due")
