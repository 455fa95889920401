"""Settings of a process, from the environment (`INNKEEPER_…`) or a `.env` file. Durations are in seconds."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.errors import ConfigurationError
from orchestrator.policy.rules import Rules


class Settings(BaseSettings):
    """All that an operator can set. Prices, nodes and templates are catalog data instead."""

    model_config = SettingsConfigDict(env_prefix="INNKEEPER_", env_file=".env", extra="ignore", frozen=True)

    database_url: SecretStr = SecretStr("postgresql+psycopg://innkeeper@localhost/innkeeper")
    broker_url: SecretStr = SecretStr("redis://localhost:6379/0")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # --- tokens of users (product page, "Authorization") ---
    jwt_algorithm: Literal["HS256", "RS256"] = "HS256"
    jwt_secret: SecretStr | None = None
    """For HS256: at least 32 bytes. Without it no JWT is accepted, only API keys."""
    jwt_jwks_url: str | None = None
    """For RS256: where the issuer publishes its keys."""
    jwt_issuer: str | None = None
    jwt_audience: str | None = None

    # --- limits per account and minute ---
    changes_per_minute: int = 60
    reads_per_minute: int = 1200
    login_class_per_minute: int = 5

    # --- passwords: SHA-512 crypt; 100 000 rounds take about 0.1 s ---
    password_rounds: int = Field(100_000, ge=1_000, le=999_999_999)

    # --- operations ---
    lease_seconds: float = Field(60, gt=0)
    """How long a worker may be silent before another takes its operations; a change of PVE takes up to 35."""
    heartbeat_seconds: float = Field(5, gt=0)
    wake_seconds: float = Field(2, gt=0)
    """How often the scheduler looks for due operations."""
    ring_again_seconds: float = Field(4, gt=0)
    """How long a message may stay unanswered before it is sent again; doubles with each ring, to 16 times."""
    watch_seconds: float = Field(10, gt=0)
    """How often nodes, VMs and their present use are looked at: one call for each cluster."""
    offline_misses: int = Field(3, ge=1)
    offline_seconds: float = Field(30, ge=0)
    """A node is offline after so many looks in a row that missed it, the first of them so long ago."""
    broadcast_seconds: float = Field(15, ge=0)
    """How old what PVE's listing shows may be; a VM that differs is believed to after longer than that."""
    sweep_seconds: float = Field(60, gt=0)
    """How often what PVE has is compared with the store."""
    sweep_grace_seconds: float = Field(120, ge=0)
    """How long a difference may be the work of an operation that has just ended."""
    reservations_seconds: float = Field(60, gt=0)
    """How often reservations are looked at; a term ends at its time all the same."""
    reservation_notice_seconds: float = Field(604_800, ge=0)
    """How long before the end of a reservation its owner is told."""
    # --- interruptible VMs (design, §5) ---
    interruption_notice_seconds: float = Field(120, ge=0)
    """How long an interruptible VM runs on after it was told that it will be interrupted."""
    reclaim_seconds: float = Field(1, gt=0)
    """How often the scheduler looks whether somebody waits for GPUs; it looks at once when one begins to."""
    capacity_wait_seconds: float = Field(1800, gt=0)
    """How long an accepted request waits for GPUs that cannot come any more before it fails."""
    restore_seconds: float = Field(5, gt=0)
    """How often interrupted VMs are looked at."""
    headroom: float = Field(Rules.headroom, ge=0, lt=1)
    """Share of the fleet's GPUs of a type that interruptible VMs always leave free."""
    headroom_most: float = Field(Rules.headroom_most, ge=0, lt=1)
    """The same after many paying requests: between the two `demand_factor` × what they took in 10 minutes."""
    demand_factor: float = Field(Rules.demand_factor, ge=0)
    headroom_for_new: bool = Rules.headroom_for_new
    """Whether new interruptible requests leave the headroom free, or may take the last free GPU."""
    cool_down_seconds: float = Field(Rules.cool_down_seconds, ge=0)
    """From a first interruption to a restore; doubles with each further one within 24 h."""
    cool_down_cap_seconds: float = Field(Rules.cool_down_cap_seconds, ge=0)
    longest_wait_seconds: float = Field(Rules.longest_wait_seconds, ge=0)
    """Who has been interrupted for longer is let through the headroom."""
    webhook_url: str | None = None
    """Told of each interruption when its notice begins."""
    webhook_secret: SecretStr | None = None
    """Key of the HMAC-SHA256 in `X-Innkeeper-Signature`."""

    pace: float = Field(1, gt=0, le=1)
    """Scale of back-offs and polls; below 1 only against a simulator that runs faster than time."""
    node_recheck_seconds: float = Field(30, gt=0)
    operator_recheck_seconds: float = Field(300, gt=0)
    worker_threads: int = Field(200, ge=1)
    pve_change_seconds: float = Field(35, gt=0)
    """How long a change may take before its answer counts as lost; PVE cuts its own hop at 30 s."""
    pve_calls_per_node: int = Field(2, ge=1, le=3)
    pve_clones_per_storage: int = Field(2, ge=1, le=16)

    @property
    def rules(self) -> Rules:
        """The settings of restoring."""
        return Rules(
            headroom=self.headroom,
            headroom_most=self.headroom_most,
            demand_factor=self.demand_factor,
            headroom_for_new=self.headroom_for_new,
            cool_down_seconds=self.cool_down_seconds,
            cool_down_cap_seconds=self.cool_down_cap_seconds,
            longest_wait_seconds=self.longest_wait_seconds,
        )

    @cached_property
    def database(self) -> str:
        return self.database_url.get_secret_value()

    @cached_property
    def broker(self) -> str:
        return self.broker_url.get_secret_value()


def read_secret(source: str, environment: dict[str, str]) -> str:
    """The secret behind `env:NAME` or `file:PATH`.

    Raises ConfigurationError when it is absent; the text names the place, never the value.
    """
    kind, _, place = source.partition(":")
    if kind == "env" and environment.get(place):
        return environment[place]
    if kind == "file" and Path(place).is_file():
        return Path(place).read_text(encoding="utf-8").strip()
    raise ConfigurationError(f"The secret {source!r} is not there: set the variable or write the file.")
