"""`python -m workers.ssh`: one login as another process would try it."""

import io
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from ssh_stub import HOST, HOST_KEY, USER, Rules, closed_port, ssh_server


def tried(monkeypatch: pytest.MonkeyPatch, port: int, **more: Any) -> int:
    asked = {"address": HOST, "port": port, "username": USER, "fingerprint": HOST_KEY.fingerprint, **more}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("workers.ssh", run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_good_password_is_let_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ssh_server(Rules(methods="password", password="right")) as port:
        assert tried(monkeypatch, port, password="right") == 0
    assert capsys.readouterr().out == "gpu-vm-1\n"


def test_a_good_key_file_is_let_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    HOST_KEY.write_private_key_file(str(key_file))
    with ssh_server(Rules(key=HOST_KEY)) as port:
        assert tried(monkeypatch, port, key_file=str(key_file)) == 0


def test_a_wrong_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ssh_server(Rules(methods="password", password="right")) as port:
        assert tried(monkeypatch, port, password="wrong-one") == 1
    said = capsys.readouterr().err
    assert "refuses renter's credential" in said
    assert "wrong-one" not in said


def test_a_server_that_is_not_there_could_not_be_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(monkeypatch, closed_port(), password="any") == 2
    assert "no connection" in capsys.readouterr().err


def test_importing_the_command_tries_nothing() -> None:
    assert callable(runpy.run_module("workers.ssh.__main__", run_name="imported")["main"])
