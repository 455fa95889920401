"""Everything that a call or a worker can reach: the cluster's state and the machinery around it."""

import random
import uuid
from dataclasses import dataclass

from simulator.access.login import Logins
from simulator.broadcast import Broadcast
from simulator.clock import Clock
from simulator.config import Timing
from simulator.faults.injector import Fault, Faults, Place
from simulator.guests.addresses import AddressPlan
from simulator.guests.guest import Guests
from simulator.locks import FileLocks
from simulator.nodes import Nodes
from simulator.state.cluster import Cluster
from simulator.tasks.board import TaskBoard
from simulator.tasks.task import Job


@dataclass
class World:
    """One simulated cluster at work."""

    cluster: Cluster
    clock: Clock
    timing: Timing
    rng: random.Random
    locks: FileLocks
    tasks: TaskBoard
    faults: Faults
    guests: Guests
    addresses: AddressPlan
    logins: Logins
    broadcast: Broadcast
    nodes: Nodes

    def strikes(self, fault: str, job: Job, node: str, vmid: int) -> Fault | None:
        """Does a fault strike a worker here?"""
        return self.faults.strikes(fault, Place(node, vmid, job.origin.method, job.origin.path))

    def new_uuid(self) -> str:
        """A UUID that the seed decides."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def new_mac(self) -> str:
        """A MAC address under the cluster's prefix."""
        tail = ":".join(f"{self.rng.randrange(256):02X}" for _ in range(3))
        return f"{self.cluster.mac_prefix}:{tail}"
