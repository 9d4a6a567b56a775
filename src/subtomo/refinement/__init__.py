"""Gold-standard refinement of poses on the exact cost (spec/refinement.md)."""
