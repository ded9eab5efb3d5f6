"""Models."""

from reciperec_layers.tfrs.models import base
from reciperec_layers.tfrs.models.base import Model

__all__ = ["Model", "base"]
