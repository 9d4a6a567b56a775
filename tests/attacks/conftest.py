"""Attacks start from the project that strangers start from."""

from tests.strangers.conftest import _example, project, untouched

__all__ = ["_example", "project", "untouched"]
