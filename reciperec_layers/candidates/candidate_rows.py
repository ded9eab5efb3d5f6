"""CandidateRows: rows of candidate ids in the corpus, in graphs."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import UnknownIdError
from reciperec_layers.graph.graph_errors import check, shown_ids
from reciperec_layers.graph.known_tensors import computed_once
from reciperec_layers.layers import IdLookup


class CandidateRows(tf.Module):
    """Finds candidates in the corpus by id, eagerly or as part of a graph.

    Args:
        corpus: The candidates.

    Example:
        >>> lookup = CandidateRows(Corpus({"recipe_id": [7, 9]}, "recipe_id"))
        >>> lookup.rows(tf.constant([9, 5])).numpy()
        array([ 1, -1])
    """

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(name="candidate_rows")
        self._rows = IdLookup(corpus.vocabulary, num_oov_indices=1)

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the row of each id, int64 of the shape of `ids`; -1 outside of the corpus."""
        return self._rows(ids) - 1

    def known_rows(self, ids: tf.Tensor, problem: str, fix: str) -> tf.Tensor:
        """Returns the row of each id, all of which must be in the corpus.

        Args:
            ids: Integers or text of shape `(n,)`.
            problem: What is wrong with unknown ids, for the message; `{}` in it becomes their number.
            fix: What to do.

        Raises:
            UnknownIdError: Ids are not in the corpus.
        """
        return computed_once(partial(self._checked_rows, problem=problem, fix=fix), ids)

    def _checked_rows(self, ids: tf.Tensor, problem: str, fix: str) -> tf.Tensor:
        rows = self.rows(ids)
        before, _, behind = problem.partition("{}")

        def text() -> tf.Tensor:
            unknown = tf.boolean_mask(ids, rows < 0)
            count = tf.as_string(tf.size(unknown))
            return tf.strings.join([before, count, behind, ": ", shown_ids(tf.unique(unknown)[0]), f". {fix}."])

        with tf.control_dependencies([check(tf.reduce_all(rows >= 0), UnknownIdError, text)]):
            return tf.identity(rows)
