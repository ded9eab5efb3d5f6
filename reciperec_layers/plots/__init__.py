"""Pictures of training, rankings, recommendations and embeddings, as matplotlib figures (extra `plots`).

Each function returns a `matplotlib.figure.Figure` of 6.4 x 4 inches, which no window shows and no global setting knows:
`figure.savefig("recall.png")` writes it.
"""

from reciperec_layers.plots.embedding_map import embedding_map
from reciperec_layers.plots.recall_over_k import recall_over_k
from reciperec_layers.plots.recommendation_spread import recommendation_spread
from reciperec_layers.plots.training_curves import training_curves

__all__ = ["embedding_map", "recall_over_k", "recommendation_spread", "training_curves"]
