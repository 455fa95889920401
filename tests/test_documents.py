"""What the documents say is there: links, commands, settings, tables."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from orchestrator.cli.main import app
from orchestrator.settings import Settings
from orchestrator.vms.pipelines import PIPELINES
from orchestrator.vms.statuses import TRANSITIONS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])
COMPOSE = ROOT / "docker-compose.yml"

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?<![\w/@.:-])innkeeper ([a-z][^\n]*)")
LISTED = re.compile(r'\["innkeeper", ([^]]+)\]')
NAME = re.compile(r"INNKEEPER_[A-Z0-9_]*[A-Z0-9]")


def of(page: Path) -> str:
    """Its path, for the names of tests."""
    return str(page.relative_to(ROOT))


def without_code(text: str) -> str:
    return SPAN.sub("", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level."""
    return re.split(r"^## ", (ROOT / page).read_text().split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, headings and rules left out."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" |") for cell in line] for line in lines if not line[0].startswith("---")]


def codes(text: str) -> Iterator[str]:
    """Everything that stands as code."""
    yield from FENCE.findall(text)
    yield from SPAN.findall(FENCE.sub("", text))


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text().replace("[`", "[").replace("`]", "]"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{of(page)} links to {link}, which is not there"
        assert not anchor or anchor in anchors(target), f"{of(page)} links to {link}: no such heading"


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for code in codes((ROOT / "README.md").read_text()) for name in _made(code)}
    assert named
    assert named <= targets


def _made(code: str) -> list[str]:
    return re.findall(r"(?:^|&& )make ([a-z]+)", code, re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, COMPOSE], ids=of)
def test_commands_of_innkeeper_exist(page: Path) -> None:
    text = page.read_text()
    if page == COMPOSE:
        said = [re.sub(r'[",]+', " ", words) for words in LISTED.findall(text)]
        said += COMMAND.findall(text)
        assert len(said) > 4
    else:
        said = [words for code in codes(text) for words in COMMAND.findall(code)]
    for words in said:
        _look_up(re.split(r"[#;|&`]|…", words)[0].split())


def _look_up(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    for place, word in enumerate(words):
        commands = getattr(command, "commands", None)
        if commands is None:
            break
        assert word in commands, f"there is no command innkeeper {' '.join(words[: place + 1])}"
        command = commands[word]
    options = {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts, "--help", "-h")
    }
    if not command.context_settings.get("ignore_unknown_options"):
        used = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert used <= options, f"innkeeper {' '.join(words)}: unknown options {used - options}"


def test_the_table_of_settings_is_whole_and_its_defaults_are_true() -> None:
    table = [
        row for row in rows(section("docs/operations.md", "Settings")) if NAME.fullmatch(row[0].strip("`"))
    ]
    assert {row[0].strip("`"): row[1].strip("`") for row in table} == dict(_defaults())


def _defaults() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        value = field.default
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        yield f"INNKEEPER_{name.upper()}", "none" if plain is None else f"{plain}"


@pytest.mark.parametrize("page", [*PAGES, COMPOSE, ROOT / "deploy/innkeeper.env.example"], ids=of)
def test_variables_that_are_named_are_read_somewhere(page: Path) -> None:
    settings = dict(_defaults())
    sources = "".join(path.read_text() for path in ROOT.glob("orchestrator/**/*.py"))
    tokens = re.compile(r"INNKEEPER_PVE_FRA1|INNKEEPER_SIMULATED_TOKEN")  # names that a catalog chooses
    for name in NAME.findall(page.read_text()):
        assert name in settings or f'"{name}"' in sources or tokens.match(name), f"nobody reads {name}"


def test_the_table_of_transitions_is_that_of_the_code() -> None:
    told = {row[0]: set(filter(None, row[1].split(", "))) if row[1:] else set() for row in _transitions()}
    assert told == {before.value: {after.value for after in TRANSITIONS[before]} for before in TRANSITIONS}


def _transitions() -> list[list[str]]:
    return [row for row in rows(section("docs/architecture.md", "Statuses")) if row[0] != "from"]


def test_the_table_of_pipelines_is_that_of_the_code() -> None:
    text = section("docs/architecture.md", "From POST to `running`")
    told = {row[0]: (row[1], row[2]) for row in rows(text.split("| pipeline |")[1])}
    assert told == {
        kind.value: (", ".join(line.steps), f"`{line.ends_in}`") for kind, line in PIPELINES.items()
    }


def test_the_compose_file_is_consistent() -> None:
    """Not a YAML parser: what is named is defined, and each defined secret is used."""
    text = COMPOSE.read_text()
    assert "\t" not in text
    aliases, anchored = (set(re.findall(rf": {sign}([a-z-]+)$", text, re.MULTILINE)) for sign in (r"\*", "&"))
    assert aliases == anchored
    defined = set(re.findall(r"^  ([\w.-]+):\n    file: deploy/secrets/\1$", text, re.MULTILINE))
    used = {name for names in re.findall(r"secrets: \[([^]]*)\]", text) for name in names.split(", ")}
    assert used == defined
    for name in ("Dockerfile", "entrypoint.sh", "secrets.sh", "innkeeper.env.example"):
        assert (ROOT / "deploy" / name).is_file()
