"""Models that need no subclass."""

from reciperec_layers.tfrs.experimental.models import ranking
from reciperec_layers.tfrs.experimental.models.ranking import Ranking

__all__ = ["Ranking", "ranking"]
