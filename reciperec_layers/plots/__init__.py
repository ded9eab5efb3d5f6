"""Pictures of training, rankings, recommendations and embeddings, as matplotlib figures (extra `plots`).

Each function returns a `matplotlib.figure.Figure` of 6.4 x 4 inches, which no window shows and no global setting knows:
`figure.savefig("recall.png")` writes it.
"""

from reciperec_layers.plots.curves_of_training import training_curves
from reciperec_layers.plots.map_of_embeddings import embedding_map
from reciperec_layers.plots.recall_curves import recall_over_k
from reciperec_layers.plots.spread_of_recommendations import recommendation_spread

__all__ = ["embedding_map", "recall_over_k", "recommendation_spread", "training_curves"]
