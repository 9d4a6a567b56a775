"""Sort particles into classes on the exact cost, in one common frame (spec/refinement.md, Classes)."""
