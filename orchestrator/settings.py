"""Settings of a process, from the environment (`INNKEEPER_…`) or a `.env` file. Durations are in seconds."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.errors import ConfigurationError


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
    usage_seconds: float = Field(15, gt=0)
    """How often the present use of all VMs is read: one call for each cluster."""
    pace: float = Field(1, gt=0, le=1)
    """Scale of back-offs and polls; below 1 only against a simulator that runs faster than time."""
    node_recheck_seconds: float = Field(30, gt=0)
    operator_recheck_seconds: float = Field(300, gt=0)
    worker_threads: int = Field(200, ge=1)
    pve_change_seconds: float = Field(35, gt=0)
    """How long a change may take before its answer counts as lost; PVE cuts its own hop at 30 s."""
    pve_calls_per_node: int = Field(2, ge=1, le=3)
    pve_clones_per_storage: int = Field(2, ge=1, le=16)

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
