"""CorpusNegatives: all candidates that can be recommended."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.candidates.candidate_rows import CandidateRows
from reciperec_layers.corpus import Corpus
from reciperec_layers.negatives.negatives import DrawnCandidates, Encode, Negatives


class CorpusNegatives(Negatives):
    """Takes the whole corpus, encoded anew in each step, in its order: nothing is drawn, each candidate occurs once.

    Args:
        corpus: The candidates. Read when the first batch is drawn, so that a model may be made before its file is read.
        owner: Name of the model's class, for messages.

    Example:
        >>> encode = lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis]
        >>> negatives = CorpusNegatives(Corpus({"recipe_id": [7, 9, 8]}, "recipe_id"))
        >>> drawn = negatives.draw({}, tf.constant([9, 9], tf.int64), encode, False)
        >>> drawn.embeddings.numpy().ravel(), drawn.positive_columns.numpy()
        (array([7., 9., 8.], dtype=float32), array([1, 1], dtype=int32))
    """

    def __init__(self, corpus: Corpus, owner: str = "RetrievalModel") -> None:
        self._corpus, self._owner = corpus, owner
        self._rows: CandidateRows | None = None
        self._ids: tf.Variable | None = None

    def draw(self, features: dict[str, Any], ids: tf.Tensor | None, encode: Encode, distinct: bool) -> DrawnCandidates:
        if self._rows is None or self._ids is None:
            with tf.init_scope():  # every graph captures the same variable
                self._rows = CandidateRows(self._corpus)
                self._ids = tf.Variable(self._corpus.columns[self._corpus.id_column], trainable=False)
        problem = f"{self._owner}: {{}} candidates of a batch are not in the corpus, which the loss compares them with"
        rows = self._rows.known_rows(ids, problem, "Add them to the candidates, or leave their rows out")
        embeddings = encode({self._corpus.id_column: tf.convert_to_tensor(self._ids)})
        return DrawnCandidates(embeddings, positive_columns=tf.cast(rows, tf.int32))
