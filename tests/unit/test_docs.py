"""Documents that must agree with the code: drawn from it, naming what it has, quoting what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from bot.__main__ import main
from bot.probes import OwnMetrics, WatchdogMetrics
from bot.slack.grammar import GRAMMAR
from bot.words import en
from sandbox.scenarios import SCENARIOS
from scripts.draw import drawn

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
GAP = "…"  # a name or a figure, in a sentence of the code and in a quotation of it


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# Drawn from the code


@pytest.mark.parametrize("path", drawn())
def test_a_drawn_document_is_current_or_make_docs_was_forgotten(path: str) -> None:
    assert text(path) == drawn()[path]


# Naming what there is


def test_the_readme_names_every_scenario_and_every_command() -> None:
    readme = text("README.md")

    assert [name for name in SCENARIOS if f"| `{name}` |" not in readme] == []
    assert [verb for verb in GRAMMAR if not re.search(rf"[` ]{verb}[` ]", readme)] == []


def test_the_readme_has_a_row_for_every_command_of_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)

    assert "abort" in commands
    assert [name for name in commands if not re.search(rf"`{name}[` ]", text("README.md"))] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", text("Makefile"), re.MULTILINE))
    named = {(page, target) for page in PAGES for target in re.findall(r"[`$] ?make ([a-z][\w-]*)[` ]", text(page))}

    assert named
    assert [(page, target) for page, target in named if target not in targets] == []


def test_every_scenario_that_a_page_plays_exists() -> None:
    played = {name for page in PAGES for name in re.findall(r"SCENARIO=([\w-]+)", text(page))}

    assert "bad-canary" in played
    assert played <= set(SCENARIOS)


def test_operations_names_only_metrics_that_are_served() -> None:
    registries = [OwnMetrics().registry, WatchdogMetrics().registry]
    families = {family.name for registry in registries for family in registry.collect()}
    named = set(re.findall(r"canary_bot_\w+", text("docs/operations.md")))

    assert {name.removesuffix("_total") for name in named} <= families | {"canary_bot_"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = [place for place in re.findall(r"\]\(([^)#]+)\)", text(page)) if not place.startswith("http")]

    assert [place for place in links if not (ROOT / page).parent.joinpath(place).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_yaml_example_of_a_page_can_be_read(page: str) -> None:
    for example in re.findall(r"```yaml\n(.*?)```", text(page), re.DOTALL):
        assert yaml.safe_load(example)


def test_the_shipped_services_are_the_documented_ones() -> None:
    assert text("deploy/services.yaml") == text("services.yaml")


# Quoting what it says


def as_template(node: ast.expr) -> str:
    """A string or f-string of the code, or several in a row, with a gap for each value; "" for anything else.

    Of a sentence of the catalogue, what it says in English.
    """
    match node:
        case ast.Tuple(elts=[ast.JoinedStr() as first, *more]) if more:  # sentences that are said one after the other
            return " ".join([as_template(first), *(as_template(one) or GAP for one in more)])
        case ast.JoinedStr():
            return "".join(map(as_template, node.values))
        case ast.Constant(value=str(words)):
            return re.sub(r"\{[^}]*\}", GAP, en.SENTENCES[words]) if words in en.SENTENCES else words
        case ast.Call(func=ast.Name(id="said"), args=[key, *_]):
            return as_template(key)
        case ast.FormattedValue():
            return GAP
        case _:
            return ""


def said_in(path: Path, only_to: str = "") -> Iterator[str]:
    """Every string in a module, or only those that are arguments of calls of ``only_to``.

    What to do about it (whatever is called a remedy) is no part of what is so: pages say that in their own words.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    documentation |= {id(part) for node in ast.walk(tree) if is_remedy(node) for part in ast.walk(node)}
    if only_to:
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == only_to]
        nodes = [argument for call in calls for argument in call.args]
    else:
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.expr) and id(n) not in documentation]
    yield from filter(None, map(as_template, nodes))


def is_remedy(node: ast.AST) -> bool:
    match node:
        case ast.keyword(arg=str(name)) | ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            return "remedy" in name
        case _:
            return False


def is_sentence(words: str) -> bool:
    return words.endswith(".") and " " in words and (words[0].isupper() or words[0] == GAP)


def quotes(quotation: str, sentence: str) -> bool:
    """Whether the words of a quotation stand in the sentence, in order, with anything in its gaps."""
    return _with_anything_in_gaps(quotation).search(sentence) is not None


@cache
def _with_anything_in_gaps(quotation: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, quotation.split(GAP))))


RUNBOOK = text("docs/operations.md") + text("docs/preflight.md") + text("docs/redis.md")
QUOTATIONS = [q for q in re.findall(r"`([^`\n]+)`", RUNBOOK) if (GAP in q or is_sentence(q)) and q != GAP]


def must_be_quoted() -> Iterator[str]:
    for path in (ROOT / "bot/preflight").glob("*.py"):
        yield from said_in(path)
    for name in ("model/freeze", "rollout/compare"):
        yield from said_in(ROOT / f"bot/{name}.py")
    for name in ("decide", "transitions", "drift", "approvals", "aborts", "people"):
        yield from said_in(ROOT / f"bot/rollout/{name}.py", only_to="Refusal")
    for path in (ROOT / "bot/analysis/gates").glob("*.py"):
        yield from said_in(path, only_to="unknown")


def test_every_sentence_that_the_runbook_quotes_is_one_that_the_bot_says() -> None:
    said = [words for path in (ROOT / "bot").rglob("*.py") for words in said_in(path)]

    assert len(QUOTATIONS) > 50
    assert [q for q in QUOTATIONS if not any(quotes(q, words) for words in said)] == []


def test_every_refusal_and_every_reason_to_hold_is_in_the_runbook() -> None:
    sentences = [words for words in must_be_quoted() if is_sentence(words)]

    assert len(sentences) > 40
    assert [words for words in sentences if not any(quotes(q, words) for q in QUOTATIONS)] == []


# The walk


def _defined(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_every_function_of_the_walk_stands_in_the_module_named_before_it() -> None:
    named = re.findall(r"\]\(\.\./(bot/[\w/]+\.py)\)\s+`(\w+)`", text("docs/architecture.md"))

    assert len(named) > 10
    assert [(path, name) for path, name in named if name not in _defined(ROOT / path)] == []


def test_every_module_that_the_page_of_the_architecture_names_is_there() -> None:
    named = set(re.findall(r"`((?:bot|tests|sandbox|bench)/[\w/]+\.py)`", text("docs/architecture.md")))

    assert len(named) > 30
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_from_the_command_to_the_put_it_takes_ten_modules() -> None:
    steps = re.findall(r"^\| (\d+) \| \[`[^`]+`\]\(\.\./(bot/[\w/]+\.py)\)", text("docs/architecture.md"), re.MULTILINE)

    assert [number for number, _ in steps] == [str(number) for number in range(1, 11)]
    assert (steps[0][1], steps[-1][1]) == ("bot/slack/listeners.py", "bot/adapters/kube.py")


def test_every_port_says_which_module_stands_behind_it() -> None:
    tree = ast.parse(text("bot/controller/ports.py"))
    ports = [one for one in tree.body if isinstance(one, ast.ClassDef) and "Protocol" in map(ast.unparse, one.bases)]
    behind = {one.name: re.search(r"``(bot\.[\w.]+)``", ast.get_docstring(one) or "") for one in ports}

    assert len(ports) > 10
    assert [
        name
        for name, found in behind.items()
        if found is None or not (ROOT / f"{found[1].replace('.', '/')}.py").is_file()
    ] == []
