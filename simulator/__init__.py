"""A simulated Proxmox VE 9.2 for tests, demos and benchmarks.

with Simulator(demo_config(time_scale=0.05)) as sim:
    api = ProxmoxAPI(sim.host, port=sim.port, verify_ssl=sim.ca_path, …)
"""

from simulator.config import SimConfig, SimGpu, SimNode, SimStorage, SimTemplate, Timing
from simulator.demo import demo_config
from simulator.faults.campaign import campaign
from simulator.faults.injector import Fault
from simulator.simulator import Simulator

__all__ = [
    "Fault",
    "SimConfig",
    "SimGpu",
    "SimNode",
    "SimStorage",
    "SimTemplate",
    "Simulator",
    "Timing",
    "campaign",
    "demo_config",
]
