"""Plots of training, rankings, recommendations and embeddings, as matplotlib figures (extra `plots`).

Each function returns a `matplotlib.figure.Figure` of 6.4 x 4 inches. It opens no window and does not touch pyplot's
global state; `figure.savefig("recall.png")` writes it to a file.
"""

from reciperec_layers.plots.embedding_plot import embedding_map
from reciperec_layers.plots.recall_plot import recall_over_k
from reciperec_layers.plots.spread_plot import recommendation_spread
from reciperec_layers.plots.training_plot import training_curves

__all__ = ["embedding_map", "recall_over_k", "recommendation_spread", "training_curves"]
