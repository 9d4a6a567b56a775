"""What is released: built, checked, installed where nothing else is, and described the same everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from subtomo import __version__
from tests.helpers.project import write_project

pytest.importorskip("build", reason="the package build is not installed (subtomo[release])")
pytest.importorskip("twine", reason="twine is not installed (subtomo[release])")


def run(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    process = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(repository))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_an_index_would_take_them(built: tuple[Path, Path]) -> None:
    told = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, built))
    assert told.count("PASSED") == 2


def test_they_hold_what_is_needed_and_nothing_else(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "__init__.pyi",
        "py.typed",
        "cli/pipeliner/jobs.py",
        "torch.py",
        "report/templates",
        "report/static/three.LICENSE",
    ):
        assert any(name.startswith(f"subtomo/{needed}") for name in names), needed
    assert all(name.startswith((f"subtomo-{__version__}.dist-info/", "subtomo/")) for name in names)
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()}
    assert inside - {""} == {
        ".gitignore", "CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "src",
    }  # fmt: skip


def test_the_wheel_works_in_an_environment_of_its_own(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Its dependencies are lent."""
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    python = str(fresh / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(built[0]))
    (site,) = fresh.glob("lib/python*/site-packages")
    lent = Path(sysconfig.get_path("purelib"))
    # not the path files there, by which the copy under test might be found
    (site / "lent.pth").write_text(f"{lent}\n")
    write_project(tmp_path)
    command = str(fresh / "bin" / "subtomo")
    found = run(python, "-P", "-I", "-c", "import subtomo; print(subtomo.__file__)")
    assert Path(found.strip()).is_relative_to(fresh)
    isolated = ["env", "-u", "PYTHONPATH", command]
    assert run(*isolated, "version").startswith(f"subtomo {__version__}, ")
    words = ("extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24", "--o", "out/")
    assert "4 of 4 particles extracted" in run(*isolated, *words, cwd=tmp_path)
    assert "relion_tomo_subtomo_mpi -> " in run(*isolated, "stand-in", "install", str(tmp_path / "bin"))
    version = run("env", "-u", "PYTHONPATH", str(tmp_path / "bin" / "relion_tomo_subtomo"), "--version")
    assert version.startswith(f"subtomo {__version__}, in place of")


def test_pipx_runs_the_wheel_with_the_dependencies_that_it_declares(built: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("pipx", reason="pipx is not installed (subtomo[release])")
    places = {f"PIPX_{name}": str(tmp_path / name.lower()) for name in ("HOME", "BIN_DIR", "MAN_DIR")}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | places
    words = ("extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24", "--o", "out/")
    write_project(tmp_path)
    pipx = (sys.executable, "-m", "pipx", "run", "--spec", str(built[0]), "--", "subtomo")
    assert "4 of 4 particles extracted" in run(*pipx, *words, cwd=tmp_path, env=environment)


def project_table(repository: Path) -> dict[str, Any]:
    return dict(tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def test_the_conda_recipe_names_the_same_dependencies(repository: Path) -> None:
    recipe = yaml.safe_load((repository / "packaging/conda/recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == __version__
    other_names = {"python-finufft": "finufft", "matplotlib-base": "matplotlib", "python-xxhash": "xxhash"}
    needed = dict(line.split() for line in recipe["requirements"]["run"])
    assert needed.pop("python") == project_table(repository)["requires-python"]
    wanted = dict(re.split(r"(?=>=)", line) for line in project_table(repository)["dependencies"])
    assert {other_names.get(name, name): bound for name, bound in needed.items()} == wanted


def test_the_citation_names_version_and_licence(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__
    assert citation["license"] == project_table(repository)["license"]


def test_the_matrix_lists_the_versions_of_python_that_are_declared(repository: Path) -> None:
    page = (repository / "docs/install.md").read_text(encoding="utf-8")
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project_table(repository)["classifiers"]))
    assert re.findall(r"^\| Python (3\.\d+) ", page, re.MULTILINE) == declared
    extras = set(re.findall(r"`subtomo\[(\w+)\]`", page))
    assert extras <= set(project_table(repository)["optional-dependencies"])


def test_containers_are_made_of_what_is_there(repository: Path) -> None:
    lines = (repository / "packaging/Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    definition = (repository / "packaging/subtomo.def").read_text(encoding="utf-8")
    sections = re.split(r"^%(\w+)\n", definition, flags=re.MULTILINE)
    assert sections[0].splitlines()[0] == "Bootstrap: docker"
    parts = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(parts) == {"files", "post", "runscript", "test", "help"}
    copied += [line.split()[0] for line in parts["files"].splitlines() if line.strip()]
    assert copied
    assert all((repository / name).exists() for name in copied)
    (base,) = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert f"From: {base}" in definition
    # the container's command must not run as root
    assert any(line.startswith("USER ") for line in lines)


def test_issue_forms_are_forms(repository: Path) -> None:
    for path in sorted((repository / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "config.yml":
            assert form["blank_issues_enabled"] is True
            continue
        assert {"name", "description", "body"} <= set(form)
        ids = [field["id"] for field in form["body"]]
        assert len(ids) == len(set(ids))
        assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in form["body"])
