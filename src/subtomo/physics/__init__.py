"""Equations on arrays: geometry, contrast transfer, dose, windows. No model, no files."""
