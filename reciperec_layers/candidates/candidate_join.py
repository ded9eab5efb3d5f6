"""CandidateJoin: columns of candidates, taken from the corpus by id, in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reciperec_layers.candidates.candidate_rows import CandidateRows
from reciperec_layers.corpus import Corpus


class CandidateJoin:
    """Adds the columns of the corpus to batches that carry candidate ids. Columns that a batch brings itself win.

    Args:
        corpus: The candidates.
        owner: Name of the class that errors name.

    Example:
        >>> join = CandidateJoin(Corpus({"recipe_id": [7, 9], "minutes": [10, 30]}, "recipe_id", ["minutes"]))
        >>> join.add_columns({"recipe_id": tf.constant([9, 7])}, ["minutes"])["minutes"].numpy().tolist()
        [30, 10]
    """

    def __init__(self, corpus: Corpus, owner: str = "RetrievalModel") -> None:
        self._corpus = corpus
        self._owner = owner
        self._lookup = CandidateRows(corpus)
        self._columns: dict[str, tf.Tensor] = {}

    def add_columns(self, features: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """Returns the features with those of the named columns that they lack. Part of a graph.

        Args:
            features: Columns of a batch, candidate ids among them.
            names: Columns that are needed.

        Raises:
            UnknownIdError: A column is missing and an id is not in the corpus.
        """
        missing = [name for name in names if name not in features]
        id_column = self._corpus.id_column
        if not missing or id_column not in features:
            return features
        listed = ", ".join(map(repr, missing))
        problem = (
            f"{self._owner}: {{}} candidates of a batch are not in the corpus, from which the model takes {listed}"
        )
        fix = "Add them to the candidates, or the columns to the batch"
        rows = self._lookup.known_rows(features[id_column], problem, fix)
        return {**features, **{name: tf.gather(self._column(name), rows) for name in missing}}

    def _column(self, name: str) -> tf.Tensor:
        if name not in self._columns:
            with tf.init_scope():  # every graph captures the same tensor
                self._columns[name] = tf.convert_to_tensor(self._corpus.columns[name])
        return self._columns[name]
