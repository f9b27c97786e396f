"""Settings as frozen dataclasses, read from YAML; importing them needs no torch."""
