"""Hypothesis on a machine that others use too: no example is too slow."""

from hypothesis import settings

settings.register_profile("coprocsim", deadline=None)
settings.load_profile("coprocsim")
