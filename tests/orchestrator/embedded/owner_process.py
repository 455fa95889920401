"""Owns embedded servers over the given state directory, with some data in them, until it is killed."""

import sys
import time
from pathlib import Path

import psycopg
import redis

from orchestrator.embedded import EmbeddedPostgres, EmbeddedValkey

state_dir = Path(sys.argv[1])
with EmbeddedPostgres(state_dir, fsync=False) as postgres, EmbeddedValkey(state_dir) as valkey:
    with psycopg.connect(postgres.url.replace("+psycopg", "")) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with redis.Redis.from_url(valkey.client_url) as client:
        client.set("kept", "1")
    print("serving", flush=True)
    time.sleep(600 if sys.argv[2:] != ["once"] else 0)
