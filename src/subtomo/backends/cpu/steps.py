"""Steps that the fast backend does to its own arrays; any other is done as it stands, in double precision."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from subtomo.backends.cpu.complete import complete_terms, least_weights
from subtomo.backends.cpu.fold import fold_terms
from subtomo.backends.cpu.sums import CpuSums
from subtomo.backends.cpu.tables import inverse_envelope, nearest_shells, phases
from subtomo.backends.cpu.weights import only_sharpen_weights, raise_weights, sharpen_weights
from subtomo.backends.cpu.whiten import make_even, whiten_terms
from subtomo.backends.spectra import (
    Completed,
    FourierVolume,
    Raised,
    Scaled,
    Sharpened,
    Spectra,
    Step,
    Undamped,
    Weighted,
    Whitened,
)
from subtomo.physics.completion import shell_counts


@singledispatch
def apply_step(step: Step, sums: CpuSums) -> None:
    """Change the sums as a step changes their spectra."""
    changed = step(Spectra.of(FourierVolume(sums.real(), sums.weights))).volume()
    sums.real()[...], sums.weights[...] = changed.data, changed.weights


@apply_step.register
def _scale(step: Scaled, sums: CpuSums) -> None:
    sums.scale(step.factor)


@apply_step.register
def _undamp(step: Undamped, sums: CpuSums) -> None:
    data = sums.real()
    data *= inverse_envelope(len(data))


@apply_step.register
def _sharpen(step: Sharpened, sums: CpuSums) -> None:
    if step.least > 0:
        sharpen_weights(sums.ctf2, np.float32(step.least))
    else:
        only_sharpen_weights(sums.ctf2)


@apply_step.register
def _raise(step: Raised, sums: CpuSums) -> None:
    raise_weights(sums.ctf2)


@apply_step.register
def _whiten(step: Whitened, sums: CpuSums) -> None:
    spectrum = sums.spectrum()
    whiten_terms(spectrum.view(np.float32), sums.weights)


@apply_step.register
def _complete(step: Completed, sums: CpuSums) -> None:
    spectrum, weights = sums.spectrum(), sums.weights
    pairs, shells = spectrum.view(np.float32), nearest_shells(len(spectrum))
    make_even(pairs, weights)
    least = least_weights(sums.ctf2, step.thresholds.astype(np.float32), shells, shell_counts(len(spectrum)))
    fold_terms(spectrum, sums.ctf2, least)
    complete_terms(pairs, weights, least, np.sqrt(step.fill).astype(np.float32), shells, phases(), np.uint64(step.seed))


@apply_step.register
def _weigh(step: Weighted, sums: CpuSums) -> None:
    # weights that are not even must not meet a plane x = c / 2 that is not: a look at real space makes it so
    sums.real()
    spectrum, weights = sums.spectrum(), sums.weights.reshape(2, *step.weights.shape)
    np.multiply(spectrum, step.data_factor, out=spectrum, casting="same_kind")
    np.multiply(weights, step.weights, out=weights, casting="same_kind")
