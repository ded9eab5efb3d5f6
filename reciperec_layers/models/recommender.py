"""Recommender: two towers and a corpus, and what they recommend."""

from __future__ import annotations

from typing import Any

import numpy as np

from reciperec_layers.columns.tensors import to_tensors
from reciperec_layers.corpus.candidate_filters import allowed_rows, excluded_rows
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.export.serving_bundle import export_bundle
from reciperec_layers.models.corpus_model import CorpusModel


class Recommender(CorpusModel):
    """Base of `RetrievalModel`, where the arguments are described: all but training and evaluation.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, Recommender)
        True
    """

    def recommend(
        self, features: Any, k: int = 10, exclude: Any = None, *, allow: Any = None, as_frame: bool = False
    ) -> Any:
        """Returns the k best candidates of each query, as the model's index finds them: exactly, unless told otherwise.

        Args:
            features: Data frame or dict of the columns that the query tower reads, one row a query.
            k: How many; above the size of the corpus the rest is padded, with a warning.
            exclude: Candidates that a query may not get: `data.seen(...)`, which looks rows up by query id, or a list
                of lists of ids, one per row. Ids outside of the corpus are ignored.
            allow: Candidates that may be recommended: ids for all rows, or a list of lists of ids, one per row. What
                is excluded is left out of them; ids outside of the corpus are ignored.
            as_frame: Whether to return a data frame.

        Returns:
            Scores, float32 of shape `(n, k)`, best first, and ids of the same shape, int64 or `str` objects. Equal
            scores are in the order of the corpus. Empty places have the score -inf, which is the only signal, and
            the id -1 or `""`. With `as_frame` a data frame with one row a recommendation, without empty places:
            the query's columns, `rank` from 1, `score`, and the columns kept of the corpus.

        Raises:
            StateError: The model has no candidates.
            ColumnError: A column is missing.
            DivergedError: The embeddings are not finite.
            ArgumentError: `exclude` or `allow` do not fit the rows.
            IdError: They have ids of another type than the corpus's.
        """
        index = self._current_index("recommend")
        tensors = to_tensors(features, "RetrievalModel.recommend")
        queries = self._encode_queries(tensors)
        rows = int(queries.shape[0])
        excluded = None if exclude is None else excluded_rows(index.corpus, exclude, tensors, rows)
        allowed = None if allow is None else allowed_rows(index.corpus, allow, rows, excluded)
        scores, ids = index.search(queries, k, excluded, allowed)
        if not as_frame:
            return scores, ids
        named = {name: tensor.numpy() for name, tensor in tensors.items() if tensor.shape.rank == 1}
        return index.as_frame(named, scores, ids)

    def similar(self, candidate_ids: Any, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k candidates nearest to each of some candidates, by cosine similarity, without itself.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.
            k: How many.

        Returns:
            Similarities in [-1, 1], float32 of shape `(n, k)`, best first, and ids, as for `recommend`.

        Raises:
            UnknownIdError: An id is not in the corpus.
            StateError: The model has no candidates.
        """
        index = self._current_index("similar")
        rows = index.rows_of(candidate_ids, "RetrievalModel.similar")
        return index.similar(rows, k)

    def candidate_embeddings(self) -> Any:
        """Returns the embeddings of the corpus as a data frame, float32, by candidate id.

        Raises:
            StateError: The model has no candidates.
        """
        import pandas as pd  # not needed to train, and slow to import

        index = self._current_index("candidate_embeddings")
        ids = pd.Index(index.corpus.vocabulary.ids, name=index.corpus.id_column)
        return pd.DataFrame(index.embeddings.numpy(), index=ids)

    def export(
        self,
        filepath: Any,
        *,
        k: int = 10,
        example: Any = None,
        overwrite: bool = True,
        format: str = "tf_saved_model",
    ) -> None:
        """Writes query tower and index as a SavedModel, which a process with TensorFlow alone loads and calls.

        `tf.saved_model.load(filepath).signatures` has three functions of the columns that the query tower reads. They
        return `"scores"` and `"ids"` of shape `(n, k)`, as `recommend` does, text as bytes. `"serving_default"` gives
        the `k` of the export. `"recommend"` takes also `k`, int32, and `exclude`, candidate ids of shape `(n, m)`,
        where -1 or `""` fills up a row and ids outside of the corpus are ignored; `"recommend_allowed"` in addition
        `allow`, of the same form. See also `models.verify_bundle`.

        Args:
            filepath: The folder. It is written beside its place and renamed, so that it is never half an export.
            k: How many candidates `"serving_default"` gives.
            example: A few rows of the columns that the query tower reads, as `recommend` takes them, for their dtypes
                and shapes. Not needed for towers of one id column and for functional Keras models.
            overwrite: Whether an exported folder may be replaced. Any other folder stays as it is.
            format: `"tf_saved_model"`, the only one.

        Raises:
            StateError: The model has no candidates.
            DivergedError: The embeddings are not finite.
            ArgumentError: Dtype and shape of a column are not known, or an argument is out of its range.
            OutputExistsError: The folder is there, and `overwrite` is not set or it is no exported model.
            OutputError: It cannot be written.
        """
        if format != "tf_saved_model":
            fix = 'Use "tf_saved_model"'
            raise ArgumentError(explain("RetrievalModel.export", "there is no such format", format=format, fix=fix))
        export_bundle(self, self._require_index("export"), filepath, k, example, overwrite)
