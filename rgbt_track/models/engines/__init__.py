"""Engines: what runs a network for the tracker, torch or a runtime for exported networks."""
