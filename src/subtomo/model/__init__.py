"""The nouns: frozen dataclasses without physics, files or compiled code."""
