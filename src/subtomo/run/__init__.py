"""Joins files and pipeline: output layout, threads, progress, summary."""
