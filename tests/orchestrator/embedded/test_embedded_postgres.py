import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from orchestrator.embedded import EmbeddedPostgres, free_port
from orchestrator.embedded.spawn import Account, spawn
from orchestrator.errors import ConfigurationError

OWNER = Path(__file__).with_name("owner_process.py")
StartOwner = Callable[[Path], "subprocess.Popen[str]"]


def query(url: str, statement: str) -> object:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as session:
        answer = session.execute(statement)
        row = answer.fetchone() if answer.description else None
        return row[0] if row else None


def modes(path: Path) -> dict[Path, int]:
    return {directory: stat.S_IMODE(directory.stat().st_mode) for directory in [path, *path.parents]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("state"), port=free_port(), fsync=False)
    yield server
    server.remove()


@pytest.fixture
def postgres(shared: EmbeddedPostgres) -> EmbeddedPostgres:
    """One server for most tests, running again if the test before ended it."""
    shared.start()
    return shared


class TestRunning:
    """What a running server shows."""

    def test_serves_over_socket_and_tcp(self, postgres: EmbeddedPostgres) -> None:
        assert postgres.tcp_url
        assert query(postgres.url, "SELECT current_database()") == "innkeeper"
        assert query(postgres.url, "SELECT inet_server_addr()") is None
        assert query(postgres.tcp_url, "SELECT host(inet_server_addr())") == "127.0.0.1"

    def test_asks_for_the_password_even_on_the_socket(self, postgres: EmbeddedPostgres) -> None:
        wrong = postgres.url.replace(postgres.home.password(), "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(wrong, "SELECT 1")

    def test_sorts_and_stores_alike_on_every_machine(self, postgres: EmbeddedPostgres) -> None:
        assert query(postgres.url, "SELECT 'B' < 'a'") is True
        assert query(postgres.url, "SHOW server_encoding") == "UTF8"
        assert query(postgres.url, "SHOW timezone") in ("UTC", "Etc/UTC")

    def test_keeps_the_password_out_of_arguments_and_log(
        self, postgres: EmbeddedPostgres, all_arguments: str
    ) -> None:
        password = postgres.home.password()
        assert str(postgres.home.path) in all_arguments
        assert password not in all_arguments
        assert password not in postgres.log.read_text()
        assert stat.S_IMODE(postgres.home.password_file().stat().st_mode) == 0o600

    def test_never_runs_as_root(self, postgres: EmbeddedPostgres) -> None:
        assert postgres.socket_path.stat().st_uid == Account.for_servers().uid != 0

    def test_fresh_databases_are_separate_copies_of_the_template(self, postgres: EmbeddedPostgres) -> None:
        query(postgres.create_database("template_of_test"), "CREATE TABLE room (number int)")
        first, second = (postgres.fresh_database("template_of_test") for _ in range(2))
        query(first, "INSERT INTO room VALUES (7)")
        assert query(first, "SELECT count(*) FROM room") == 1
        assert query(second, "SELECT count(*) FROM room") == 0
        assert query(postgres.fresh_database(), "SELECT to_regclass('room') IS NULL") is True

    def test_creating_a_database_again_leaves_it_as_it_is(self, postgres: EmbeddedPostgres) -> None:
        url = postgres.create_database("twice")
        query(url, "CREATE TABLE kept ()")
        assert postgres.create_database("twice") == url
        assert query(url, "SELECT to_regclass('kept') IS NOT NULL") is True


class TestCrashes:
    """What outlives the server, its owner, or both."""

    def test_data_survive_a_clean_stop_and_a_crash(self, postgres: EmbeddedPostgres) -> None:
        database = postgres.fresh_database()
        query(database, "CREATE TABLE kept AS SELECT 1 AS one")
        postgres.restart()
        query(database, "INSERT INTO kept VALUES (2)")
        postgres.kill()
        assert postgres.pid is None
        postgres.start()
        assert query(database, "SELECT sum(one) FROM kept") == 3

    def test_a_killed_owner_leaves_no_server_and_all_data(
        self, state_dir: Path, owner: StartOwner, all_end: Callable[..., bool]
    ) -> None:
        process = owner(state_dir)
        servers = [int((state_dir / name / "pid").read_text()) for name in ("postgres", "valkey")]
        assert not all_end(*servers, timeout=0)
        process.kill()
        process.wait()
        if sys.platform == "linux":
            assert all_end(*servers)
        with EmbeddedPostgres(state_dir, fsync=False) as postgres:
            assert query(postgres.url, "SELECT one FROM kept") == 1

    def test_a_second_owner_is_refused_and_disturbs_nothing(self, postgres: EmbeddedPostgres) -> None:
        with pytest.raises(ConfigurationError, match="in use by another Innkeeper"):
            EmbeddedPostgres(postgres.state_dir).start()
        assert query(postgres.url, "SELECT 1") == 1

    def test_an_orphaned_server_is_stopped_first(self, postgres: EmbeddedPostgres) -> None:
        orphan = postgres._process
        assert orphan
        postgres._process = None
        postgres._ownership._lock.close()  # type: ignore[union-attr]  # as the end of the owner would
        postgres._ownership._lock = None
        reaper = threading.Thread(target=orphan.wait)
        reaper.start()
        with EmbeddedPostgres(postgres.state_dir, port=postgres.port, fsync=False) as heir:
            reaper.join()
            assert orphan.returncode == 0
            assert query(heir.url, "SELECT 1") == 1

    def test_a_stale_pid_that_is_another_process_by_now_does_not_matter(
        self, postgres: EmbeddedPostgres
    ) -> None:
        postgres.kill()
        postgres._ownership.stop_predecessor(signal.SIGINT)  # its last processes are gone
        innocent = spawn(
            ["/bin/sleep", "60"],
            env={},
            log=postgres.log,
            on_parent_death=signal.SIGKILL,
            account=postgres.home.account,
        )
        stale = postgres.home.path / "data" / "postmaster.pid"
        lines = stale.read_text().splitlines(keepends=True)
        stale.write_text("".join([f"{innocent.pid}\n", *lines[1:]]))
        (postgres.home.path / "pid").write_text(str(innocent.pid))
        try:
            postgres.start()
            assert innocent.poll() is None
        finally:
            innocent.kill()
            innocent.wait()

    def test_a_server_that_cannot_start_says_why(self, postgres: EmbeddedPostgres) -> None:
        postgres.stop()
        settings = postgres.home.path / "data" / "postgresql.auto.conf"
        settings.write_text("nonsense = 1\n")
        with pytest.raises(ConfigurationError, match=r"did not start(.|\n)*nonsense"):
            postgres.start()
        assert postgres.pid is None
        settings.write_text("")


def test_an_initdb_that_was_cut_off_is_done_again(state_dir: Path) -> None:
    postgres = EmbeddedPostgres(state_dir, fsync=False)
    half = postgres.home.make_private(postgres.home.path / "data.new")
    (half / "PG_VERSION").write_text("15")
    with postgres:
        assert query(postgres.url, "SELECT 1") == 1


def test_a_closed_state_directory_stays_closed(state_dir: Path) -> None:
    """Of root's, that is: its servers run as another user, who must not get a way in."""
    state_dir.mkdir(mode=0o700)
    closed = state_dir / "inside"
    closed.mkdir()
    before = modes(closed)
    postgres = EmbeddedPostgres(closed, fsync=False)
    with postgres:
        assert query(postgres.url, "SELECT 1") == 1
        assert modes(closed) == before
    home = postgres.home.path
    postgres.remove()
    assert not home.exists()
    assert sorted(path.name for path in closed.iterdir()) == ["logs"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; others always run so")
def test_works_for_an_ordinary_user(state_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid)
    if not account.can_enter(Path(sys.executable)) or not account.can_enter(OWNER.parent):
        pytest.skip("this Python or this checkout is closed to other users")
    state_dir.mkdir()
    shutil.chown(state_dir, nobody.pw_uid, nobody.pw_gid)
    ended = subprocess.run(
        [sys.executable, OWNER, state_dir, "once"],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "serving\n"), ended.stderr
    with pytest.raises(ConfigurationError, match=f"belongs to user {nobody.pw_uid}"):
        EmbeddedPostgres(state_dir).start()
