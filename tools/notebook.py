"""Run ``examples/notebook.py`` cell by cell, and keep what it gives in ``examples/notebook.ipynb``.

python tools/notebook.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jupytext

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "notebook.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")


def cells_of_script() -> Any:
    """Read the script as a notebook without outputs, and without the marks by which the documentation cuts it."""
    notebook = jupytext.read(SCRIPT, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells):
        lines = [line for line in cell.source.splitlines() if not line.startswith("# --8<--")]
        cell.source = "\n".join(lines)
        cell.id = f"cell-{number}"
        cell.metadata = {}
    return notebook


def main() -> None:
    """Run the notebook in a folder of its own and write it; times and paths of this machine do not stay in it."""
    import nbformat
    from nbclient import NotebookClient

    notebook = cells_of_script()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(SCRIPT.parent)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
        kept = nbformat.writes(notebook).replace(f"{Path(folder).resolve()}/", "").replace(f"{ROOT}/", "")
    notebook = nbformat.reads(kept, as_version=4)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
