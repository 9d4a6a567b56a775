"""STAR files that were taken for others: what they are, told by their tables, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from subtomo.errors import InputError
from subtomo.io.star import find_table
from subtomo.model.table import Table
from subtomo.words import listed, nearest, shown

_SET_ENTRIES = ("rlnTomoParticlesFile", "rlnTomoTomogramsFile")
_FILES_OF_PARTICLES = "rlnTomoImportParticleFile"
_OF_TILTS = ("rlnMicrographPreExposure", "rlnTomoYTilt", "rlnDefocusU")
_SWAP = "swap tomograms and particles"
_BOTH = ("tomograms", "particles")


def no_particles(tables: Sequence[Table], source: str) -> InputError:
    """Say why a file is not a particle set.

    Args:
        tables: All tables of the file.
        source: The file.
    """
    if _is_tomogram_set(tables):
        return InputError(f"{source}: this is a tomogram set: {_SWAP}", field=_BOTH)
    lists = [table for table in tables if _FILES_OF_PARTICLES in table]
    if lists:
        files = listed(lists[0].text(_FILES_OF_PARTICLES).tolist(), 3)
        return InputError(
            f"{source}: this is a list of particle files ({_FILES_OF_PARTICLES}); give one of them: {files}",
            field="particles",
        )
    return _other(tables, source, "particles", "particle set") or InputError(
        f"{source}: there are no particles in it; expected a table data_particles with rows"
    )


def no_tomograms(tables: Sequence[Table], source: str) -> InputError:
    """Say why a file is not a tomogram set; takes what `no_particles` takes."""
    particles = find_table(tables, "particles")
    if particles is not None and len(particles):
        return InputError(f"{source}: this is a particle set: {_SWAP}", field=_BOTH)
    return _other(tables, source, "global", "tomogram set") or InputError(
        f"{source}: no table data_global; give the tomogram set (tomograms), such as tomograms.star", field="tomograms"
    )


def _other(tables: Sequence[Table], source: str, wanted: str, kind: str) -> InputError | None:
    """Recognise what is neither; None if it cannot be told."""
    if any(label in table for table in tables for label in _SET_ENTRIES):
        return InputError(
            f"{source}: this is an optimisation set, expected a {kind}; give it as one (optimisation_set)",
            field="optimisation_set",
        )
    filled = [table for table in tables if len(table)]
    if any(all(label in table for label in _OF_TILTS) for table in filled):
        return InputError(
            f"{source}: this is the table of one tilt series, expected a {kind}; the tomogram set names such tables, "
            "one for each tomogram"
        )
    if find_table(tables, "job") is not None or find_table(tables, "joboptions_values") is not None:
        return InputError(f"{source}: this is a job of RELION (job.star), expected a {kind}; give a file of its output")
    unnamed = next((table for table in filled if not table.name), None)
    if unnamed is not None:
        return InputError(
            f"{source}: found data_ with {len(unnamed)} row(s), a table without a name, expected data_{wanted}; "
            f"rename it to data_{wanted}"
        )
    similar = next((table for table in filled if nearest(table.name, [wanted])), None)
    if similar is not None:
        return InputError(
            f"{source}: found data_{shown(similar.name)} with {len(similar)} row(s), expected data_{wanted}; rename "
            f"it to data_{wanted}"
        )
    return None


def _is_tomogram_set(tables: Sequence[Table]) -> bool:
    overview = find_table(tables, "global")
    return overview is not None and len(overview) > 0 and "rlnTomoName" in overview
