"""The small model of tests/models."""

from tests.models.conftest import make_model, pairs

__all__ = ["make_model", "pairs"]
