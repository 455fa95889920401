"""The steps: for each its function. A step observes, acts, confirms; cut off anywhere it can run again."""

from collections.abc import Callable, Mapping

from orchestrator.vms.pipelines import Step
from workers.outcomes import Outcome
from workers.steps import announce, boot, clone, configure, delete, probe, release, reserve, shutdown
from workers.work import Work

STEPS: Mapping[Step, Callable[[Work], Outcome]] = {
    Step.RESERVE: reserve.reserve,
    Step.CLONE: clone.clone,
    Step.CONFIGURE: configure.configure,
    Step.BOOT: boot.boot,
    Step.PROBE: probe.probe_vm,
    Step.ANNOUNCE: announce.announce,
    Step.SHUTDOWN: shutdown.shutdown,
    Step.DELETE: delete.delete,
    Step.RELEASE: release.release,
}
