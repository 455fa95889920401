"""PostgreSQL and Valkey for one machine, nothing to install first, and the supervisor of `innkeeper up`."""

from orchestrator.embedded.child import Child, Death
from orchestrator.embedded.postgres import EmbeddedPostgres
from orchestrator.embedded.supervisor import Supervisor, free_port
from orchestrator.embedded.valkey import EmbeddedValkey

__all__ = ["Child", "Death", "EmbeddedPostgres", "EmbeddedValkey", "Supervisor", "free_port"]
