"""Nouns to nouns: plan, extract, finish. No paths, no STAR files, no cluster."""
