"""Tasks: a loss with its metrics."""

from reciperec_layers.tfrs.tasks import base, ranking, retrieval
from reciperec_layers.tfrs.tasks.base import Task
from reciperec_layers.tfrs.tasks.ranking import Ranking
from reciperec_layers.tfrs.tasks.retrieval import Retrieval

__all__ = ["Ranking", "Retrieval", "Task", "base", "ranking", "retrieval"]
