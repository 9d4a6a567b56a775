"""The names that the package offers: listed, found, imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import subtomo


def stated(repository: Path) -> dict[str, str]:
    """Give the module of each name in the stub."""
    stub = ast.parse((repository / "src" / "subtomo" / "__init__.pyi").read_text(encoding="utf-8"))
    lines = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: f"subtomo.{line.module}" for line in lines for alias in line.names}


def test_names_are_listed_and_each_is_what_its_module_calls_so(repository: Path) -> None:
    names = stated(repository)
    assert set(names) <= set(dir(subtomo))
    assert set(subtomo.__all__) == set(names)
    for name, module in names.items():
        value = getattr(subtomo, name)
        assert value is getattr(sys.modules[module], name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = subtomo.nonsense  # type: ignore[attr-defined]


def test_importing_and_listing_import_nothing_heavy() -> None:
    code = "import sys, subtomo; dir(subtomo); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert {name.partition(".")[0] for name in found.split()} & {"numpy", "numba", "scipy", "typing"} == set()
