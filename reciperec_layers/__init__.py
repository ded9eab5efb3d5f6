"""Two-tower retrieval for Keras 3: towers, models, losses, exact metrics and indexes that save and load whole."""

from __future__ import annotations

from reciperec_layers import backend as _backend  # isort: skip - refuses a Keras backend before anything uses it

from reciperec_layers import layers, towers
from reciperec_layers.towers import IdTower

del _backend
