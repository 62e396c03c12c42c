"""Hypothesis measures properties here, not the machine: no deadline per example."""

from hypothesis import settings

settings.register_profile("kun", deadline=None)
settings.load_profile("kun")
