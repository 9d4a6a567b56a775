"""Who may say what: options belong to the command line, labels to RELION's files, and nobody changes folders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import subtomo

ROOT = Path(subtomo.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
OPTION, LABEL = re.compile(r"(?<![\w-])--[a-zA-Z]"), re.compile(r"\brln[A-Z]")
OPTIONS_OF_OTHERS = ("--export=ALL", "--test-only")
"""Of SLURM."""


def texts(tree: ast.AST) -> Iterator[str]:
    """List all strings, docstrings and fixed parts of formatted strings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def helps(tree: ast.AST) -> Iterator[str]:
    """List the strings by which options are declared."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("option", "switch", "whole_number"):
            yield from texts(node)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_text_below_the_command_line_knows_an_option() -> None:
    found = {
        name(path)
        for path in FILES
        for text in texts(ast.parse(path.read_text()))
        if OPTION.search(text) and text not in OPTIONS_OF_OTHERS
    }
    assert {file for file in found if not file.startswith("cli/")} == set()


def test_labels_stand_in_io_relion_and_in_the_help_of_options_only() -> None:
    found = set()
    for path in FILES:
        tree = ast.parse(path.read_text())
        allowed = set(helps(tree)) if name(path).startswith("cli/") else set()
        if any(LABEL.search(text) for text in set(texts(tree)) - allowed):
            found.add(name(path))
    assert {file for file in found if not file.startswith("io/relion/")} == set()


def test_nothing_changes_the_working_directory() -> None:
    assert not [name(path) for path in FILES if "chdir" in path.read_text()]
