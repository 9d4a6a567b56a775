"""The notebook that is shipped is the script of its name, run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_the_shipped_notebook_has_the_cells_of_the_script_and_shows_what_they_give(repository: Path) -> None:
    pytest.importorskip("jupytext")
    from tools.notebook import NOTEBOOK, cells_of_script

    text = NOTEBOOK.read_text(encoding="utf-8")
    kept = json.loads(text)["cells"]
    code = [(cell["cell_type"], "".join(cell["source"])) for cell in kept]
    assert code == [(cell.cell_type, cell.source) for cell in cells_of_script().cells], "run python tools/notebook.py"
    outputs = [output for cell in kept if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert sum("text/html" in output.get("data", {}) for output in outputs) == 3
    assert str(repository) not in text
    assert len(text) < 1_000_000
