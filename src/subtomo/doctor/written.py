"""Whether the files of an extraction are as they were written: compared with the checksums that it took."""

from __future__ import annotations

import os
from collections.abc import Iterator

from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, listed, warning
from subtomo.errors import InputError
from subtomo.io.account import read_account
from subtomo.io.checksum import checksum_of
from subtomo.output.journal import read_journal
from subtomo.output.layout import OutputLayout
from subtomo.output.particle_files import files_written

_CHECK = "written files"


def check_written(case: Case) -> Iterator[Finding]:
    """Read all files that the extraction of the particle set wrote, and name those that are not as they were."""
    particles = case.particle_set
    if particles is None or not len(particles):
        return
    folder = os.path.join(os.path.dirname(particles.source), "")
    layout = OutputLayout(folder, separate_tomograms="/" not in str(particles.names[0]))
    recorded = read_journal(layout.journal)
    if recorded is None or recorded.problem is not None:
        why = "is not there" if recorded is None else "cannot be read"
        what = f"the list of finished particles {why}, so that nothing tells how their files were written"
        advice = "give the output folder of an extraction into files"
        yield warning(_CHECK, layout.journal, what, advice, field="verify")
        return
    try:
        account = read_account(folder)
    except InputError as problem:
        yield warning(_CHECK, layout.summary, str(problem), "extract again", field="verify")
        return
    suffixes = [file.suffix for file in files_written(account.settings, account.output)]
    altered, n_unknown = list[str](), 0
    for tomogram, name in zip(particles.tomogram_names.tolist(), particles.names.tolist(), strict=True):
        entry = recorded.entries.get(name)
        if entry is None or not entry.checksum:
            n_unknown += 1
            continue
        root = layout.root(tomogram, name)
        try:
            if checksum_of(root + suffix for suffix in suffixes) != entry.checksum:
                altered.append(root)
        except OSError as problem:
            altered.append(f"{problem.filename} ({problem.strerror})")
    if altered:
        names = ", ".join(suffixes)
        what = f"the files ({names}) of {len(altered)} particle(s) are not as they were written: {listed(altered)}"
        advice = "run the extraction again with resume=True and verify=True, which makes these particles again"
        yield error(_CHECK, particles.source, what, advice, field=("resume", "verify"))
    if n_unknown:
        what = f"{n_unknown} of {len(particles)} particle(s) have no checksum, so nothing tells whether they changed"
        yield warning(_CHECK, layout.journal, what, "extract again to have them", field="verify")
