"""`python -m simulator`."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from simulator.command import main


def _start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "simulator", "--port", "0", "--nodes", "1", "--gpus", "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_json_on_one_line_then_service_until_a_signal(number: signal.Signals) -> None:
    with _start("--json", "--time-scale", "0.01") as process:
        assert process.stdout is not None
        report = json.loads(process.stdout.readline())
        headers = {"Authorization": f"PVEAPIToken={report['token_id']}={report['token_secret']}"}
        nodes = requests.get(
            f"{report['url']}/api2/json/nodes", headers=headers, verify=report["ca_path"], timeout=5
        ).json()["data"]
        assert [node["node"] for node in nodes] == ["vm01"]
        assert nodes[0]["ssl_fingerprint"] == report["fingerprint"]
        gpus = report["catalog"]["nodes"][0]["gpus"]
        assert [(gpu["model"], gpu["mapping"]) for gpu in gpus] == [
            ("5090", "gpu-vm01-0"),
            ("5090", "gpu-vm01-1"),
        ]
        assert report["catalog"]["nodes"][0]["templates"][1]["default_user"] == "ubuntu"
        assert report["ssh_port"] > 0
        process.send_signal(number)
        assert process.wait(10) == 0


def test_words_for_people(tmp_path: Path) -> None:
    with _start("--no-tls", "--state", str(tmp_path / "state.json")) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            said += process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    assert "curl -H 'Authorization: PVEAPIToken=innkeeper@pve!orchestrator=" in said
    assert "http://127.0.0.1:" in said
    assert (tmp_path / "state.json").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nodes", "0"], "between 1 and 1000 nodes, not 0"),
        (["replay", "/nonexistent"], "no transcripts in /nonexistent"),
    ],
)
def test_mistakes_end_with_a_sentence(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{text}\n"
