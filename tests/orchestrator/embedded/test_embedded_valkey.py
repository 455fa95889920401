import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from orchestrator.embedded import EmbeddedValkey, free_port
from orchestrator.embedded.spawn import Account


@pytest.fixture
def valkey(state_dir: Path) -> Iterator[EmbeddedValkey]:
    # A directory whose name means something in URLs and in the server's configuration.
    with EmbeddedValkey(state_dir / 'a "room" at 100%#?') as valkey:
        yield valkey


def write(valkey: EmbeddedValkey, value: str) -> None:
    with redis.Redis.from_url(valkey.client_url) as client:
        client.set("kept", value)


def read(valkey: EmbeddedValkey) -> object:
    with redis.Redis.from_url(valkey.client_url, decode_responses=True) as client:
        return client.get("kept")


def test_data_survive_a_clean_stop_and_a_crash(valkey: EmbeddedValkey) -> None:
    write(valkey, "1")
    valkey.restart()
    assert read(valkey) == "1"
    write(valkey, "2")
    valkey.kill()
    valkey.start()
    assert read(valkey) == "2"


def test_wipe_loses_everything_for_good(valkey: EmbeddedValkey) -> None:
    write(valkey, "1")
    valkey.wipe()
    valkey.restart()
    assert read(valkey) is None


def test_kombu_publishes_and_consumes(valkey: EmbeddedValkey) -> None:
    with Connection(valkey.url) as connection, connection.SimpleQueue("bell") as queue:
        queue.put({"operation": 7})
        message = queue.get(timeout=5)
        message.ack()
        assert message.payload == {"operation": 7}


def test_the_password_is_asked_for_and_never_shown(valkey: EmbeddedValkey, all_arguments: str) -> None:
    password = valkey.home.password()
    assert str(valkey.socket_path) in all_arguments
    with (
        redis.Redis.from_url(valkey.client_url.replace(password, "guess")) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    assert password not in all_arguments
    assert password not in valkey.log.read_text()
    for name in ("valkey.conf", "password"):
        assert stat.S_IMODE((valkey.home.path / name).stat().st_mode) == 0o600


def test_never_runs_as_root(valkey: EmbeddedValkey) -> None:
    assert valkey.socket_path.stat().st_uid == Account.for_servers().uid != 0


def test_refuses_writes_rather_than_dropping_messages(valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(valkey.client_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_without_persistence_a_restart_forgets(state_dir: Path) -> None:
    with EmbeddedValkey(state_dir, persist=False) as valkey:
        write(valkey, "1")
        valkey.restart()
        assert read(valkey) is None


def test_listens_on_tcp_only_if_asked(state_dir: Path) -> None:
    with EmbeddedValkey(state_dir) as valkey:
        assert valkey.tcp_url is None
    with EmbeddedValkey(state_dir, port=free_port()) as valkey:
        assert valkey.tcp_url
        with redis.Redis.from_url(valkey.tcp_url) as client:
            assert client.ping()


def test_a_long_path_gets_a_short_socket_directory_while_it_runs(state_dir: Path) -> None:
    with EmbeddedValkey(state_dir / ("deep" * 25)) as valkey:
        short = valkey.socket_path.parent
        assert read(valkey) is None
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
    assert not short.exists()
