"""Eigenvectors of symmetric 3 x 3 matrices, with the signs of a particular algorithm.

The sign of an eigenvector is arbitrary in theory, but here it decides in which order surfaces are sampled. So this is
the hybrid method of Kopp (arXiv:physics/0610206) that RELION uses: analytic eigenvalues and cross products, and QL
iteration where these lose digits (spec/conventions.md §11).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_EPSILON = 2.220446049250313e-16
_MOST_ITERATIONS = 30


def smallest_eigenvector(matrix: Float) -> Float:
    """Compute the (3,) unit eigenvector of the smallest eigenvalue of a symmetric (3, 3) matrix."""
    values = _analytic_values(matrix)
    vectors = _cross_product_vectors(matrix, values)
    if vectors is None:
        values, vectors = _ql(matrix)
    return vectors[:, int(np.argmin(values))]


def _analytic_values(matrix: Float) -> Float:
    (a, d, f), (_, b, e), (_, _, c) = matrix.tolist()
    trace = a + b + c
    c1 = (a * b + a * c + b * c) - (d * d + e * e + f * f)
    c0 = c * d * d + a * e * e + b * f * f - a * b * c - 2.0 * f * d * e
    p = trace * trace - 3.0 * c1
    q = trace * (p - 1.5 * c1) - 13.5 * c0
    angle = math.atan2(math.sqrt(abs(27.0 * (0.25 * c1 * c1 * (p - c1) + c0 * (q + 6.75 * c0)))), q) / 3.0
    cosine, sine = math.sqrt(abs(p)) * math.cos(angle), math.sqrt(abs(p)) * math.sin(angle) / math.sqrt(3.0)
    middle = (trace - cosine) / 3.0
    return np.array([middle + cosine, middle - sine, middle + sine])


def _cross_product_vectors(matrix: Float, values: Float) -> Float | None:
    """Compute the vectors as columns, or None where too many digits would be lost."""
    (a, d, f), (_, b, e), _ = matrix.tolist()
    largest = float(np.abs(values).max())
    threshold = 256.0 * _EPSILON * (largest if largest < 1.0 else largest**2) ** 2
    columns = []
    for w in values[:2].tolist():
        column = np.array([(d * e - f * b) + f * w, (f * d - e * a) + e * w, (a - w) * (b - w) - d * d])
        if column @ column <= threshold:
            return None
        columns.append(column / math.sqrt(column @ column))
    return np.stack([*columns, np.cross(columns[0], columns[1])], axis=1)


def _tridiagonal(matrix: Float) -> tuple[Float, Float, Float]:
    """Compute diagonal, off-diagonal and transformation after one Householder step on the first row."""
    row = matrix[0, 1:]
    h = float(row @ row)
    g = -math.sqrt(h) if row[0] > 0 else math.sqrt(h)
    u = np.array([row[0] - g, row[1]])
    omega = h - g * row[0]
    transformation = np.eye(3)
    block = matrix[1:, 1:]
    if omega <= 0:
        return np.diag(matrix).copy(), np.array([g, block[0, 1], 0.0]), transformation
    omega = 1.0 / omega
    f = block @ u
    q = omega * f - 0.5 * omega**2 * float(u @ f) * u
    diagonal = np.array([matrix[0, 0], block[0, 0] - 2.0 * q[0] * u[0], block[1, 1] - 2.0 * q[1] * u[1]])
    transformation[1:, 1:] -= omega * np.outer(u, u)
    return diagonal, np.array([g, block[0, 1] - q[0] * u[1] - u[0] * q[1], 0.0]), transformation


def _ql(matrix: Float) -> tuple[Float, Float]:
    """Diagonalise by implicit-shift QL iteration; eigenvalues unsorted, vectors as columns."""
    w, e, vectors = _tridiagonal(matrix)
    for first in range(2):
        for _ in range(_MOST_ITERATIONS):
            last = first
            while last < 2 and abs(e[last]) + (abs(w[last]) + abs(w[last + 1])) != abs(w[last]) + abs(w[last + 1]):
                last += 1
            if last == first:
                break
            _ql_step(w, e, vectors, first, last)
    return w, vectors


def _ql_step(w: Float, e: Float, vectors: Float, first: int, last: int) -> None:
    """Chase one shift through the rows from ``last`` up to ``first``, changing all three arrays."""
    g = (w[first + 1] - w[first]) / (e[first] + e[first])
    r = math.sqrt(g * g + 1.0)
    g = w[last] - w[first] + e[first] / (g + r if g > 0 else g - r)
    s = c = 1.0
    p = 0.0
    for i in range(last - 1, first - 1, -1):
        f, b = s * e[i], c * e[i]
        if abs(f) > abs(g):
            c = g / f
            r = math.sqrt(c * c + 1.0)
            e[i + 1], s = f * r, 1.0 / r
            c *= s
        else:
            s = f / g
            r = math.sqrt(s * s + 1.0)
            e[i + 1], c = g * r, 1.0 / r
            s *= c
        g = w[i + 1] - p
        r = (w[i] - g) * s + 2.0 * c * b
        p = s * r
        w[i + 1], g = g + p, c * r - b
        right = vectors[:, i + 1].copy()
        vectors[:, i + 1] = s * vectors[:, i] + c * right
        vectors[:, i] = c * vectors[:, i] - s * right
    w[first] -= p
    e[first], e[last] = g, 0.0
