"""Tests of the package; a package itself, so that one of this name that a library installs is not taken for it."""
