"""An index as other people write it: what must be said, and nothing more."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers import indexes
from reciperec_layers.indexes.exact_search import top_k_of_all

NAMES = ("brute_force", "int8", "inverted_file", "plain")


@indexes.register("plain")
class PlainIndex(indexes.Index):
    """Sorts all scores."""

    def arrange(self, embeddings: tf.Tensor, learned: dict[str, Any]) -> dict[str, tf.Tensor]:
        return {"embeddings": embeddings}

    def find(self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: Any, excluded: Any) -> Any:
        return top_k_of_all(queries, tensors["embeddings"], k, excluded)

    def embeddings_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor | None = None) -> tf.Tensor:
        return tensors["embeddings"] if rows is None else tf.gather(tensors["embeddings"], rows)
