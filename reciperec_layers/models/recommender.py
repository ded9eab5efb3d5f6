"""Recommender: two towers and a corpus, and what they recommend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from reciperec_layers.columns import CANDIDATE_COLUMNS, find_column, require_column
from reciperec_layers.errors import ArgumentError, IdError, StateError, UnknownIdError, describe_ids, explain
from reciperec_layers.ids import to_id_array
from reciperec_layers.models.as_tower import as_tower
from reciperec_layers.models.candidate_filters import allowed_rows, excluded_rows
from reciperec_layers.models.corpus import Corpus
from reciperec_layers.models.corpus_index import ENCODE_ROWS, CorpusIndex
from reciperec_layers.models.plugins import require_plugins
from reciperec_layers.models.serving_bundle import export_bundle
from reciperec_layers.models.whole_file_model import WholeFileModel
from reciperec_layers.serialization import deserialize_nested
from reciperec_layers.tensors import num_rows, to_tensors
from reciperec_layers.towers import Tower
from reciperec_layers.towers.tower import is_by_name


class Recommender(WholeFileModel):
    """Base of `RetrievalModel`, where the arguments are described: all but training and evaluation.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, Recommender)
        True
    """

    def __init__(
        self,
        query_tower: Any,
        candidate_tower: Any,
        candidates: Any = None,
        candidate_id: str | None = None,
        *,
        query_id: str | None = None,
        keep_columns: Sequence[str] = (),
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if candidate_id is None and isinstance(candidates, Corpus):
            candidate_id = candidates.id_column
        elif candidate_id is None and is_by_name(candidates):
            candidate_id = find_column(candidates.keys(), CANDIDATE_COLUMNS, owner="RetrievalModel: candidates")
        self.candidate_id = candidate_id
        self.query_id = query_id
        # Keras walks attributes in alphabetical order and stores a layer under the first path it finds. These names
        # come before `layers`, where the path would be the class's name and a renamed class would break old files.
        self.encoder_of_candidates = as_tower(candidate_tower, "candidate_tower", candidate_id)
        self.encoder_of_queries = as_tower(query_tower, "query_tower", query_id)
        dims = {"query_tower": self.query_tower.embedding_dim, "candidate_tower": self.candidate_tower.embedding_dim}
        if len(set(dims.values())) > 1:
            problem = "both towers must have the same embedding_dim"
            raise ArgumentError(explain("RetrievalModel", problem, fix="Give them one embedding_dim", **dims))
        self._query_columns = _columns_of(self.query_tower, query_id, "query_tower")
        self._candidate_columns = _columns_of(self.candidate_tower, candidate_id, "candidate_tower")
        self._index: CorpusIndex | None = None
        self._encoded_state: Any = None
        self._num_changes = 0
        if candidates is not None:
            if not isinstance(candidates, Corpus):
                candidates = Corpus(
                    candidates, candidate_id or self.candidate_columns[0], [*self.candidate_columns, *keep_columns]
                )
            self._index = CorpusIndex(candidates, self.candidate_tower.embedding_dim, self.candidate_columns)
        self.built = True

    @property
    def query_tower(self) -> Tower:
        """The tower of queries."""
        return self.encoder_of_queries

    @property
    def candidate_tower(self) -> Tower:
        """The tower of candidates."""
        return self.encoder_of_candidates

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Names of the columns that the query tower reads."""
        return self._query_columns

    @property
    def query_id_column(self) -> str | None:
        """Name of the column that says which rows are of one query: `query_id`, or what the tower reads alone."""
        return self.query_id or (self.query_columns[0] if len(self.query_columns) == 1 else None)

    @property
    def candidate_columns(self) -> tuple[str, ...]:
        """Names of the columns that the candidate tower reads."""
        return self._candidate_columns

    @property
    def corpus(self) -> Corpus | None:
        """The candidates, or `None`."""
        return None if self._index is None else self._index.corpus

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return _encode(self.query_tower, self.query_columns, inputs, "query_tower", training)

    def encode_candidates(self, features: Any, training: bool | None = None) -> Any:
        """Returns candidate embeddings of a dict of columns, shape `(batch, embedding_dim)`."""
        return _encode(self.candidate_tower, self.candidate_columns, features, "candidate_tower", training)

    def recommend(
        self, features: Any, k: int = 10, exclude: Any = None, *, allow: Any = None, as_frame: bool = False
    ) -> Any:
        """Returns the k best candidates of each query, exactly.

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
        queries = self._encode_rows(tensors)
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
        wanted = to_id_array(candidate_ids, "RetrievalModel.similar")
        rows = index.corpus.vocabulary.lookup(wanted)
        if (rows < 0).any() or rows.ndim != 1:
            problem = f"these ids are not in the corpus: {describe_ids(wanted[rows < 0])}"
            raise UnknownIdError(explain("RetrievalModel.similar", problem, fix="Pass a list of ids of the corpus"))
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
        """Writes query tower and candidates as a SavedModel, which a process with TensorFlow alone loads and calls.

        `tf.saved_model.load(filepath).signatures` has two functions of the columns that the query tower reads. Both
        return `"scores"` and `"ids"` of shape `(n, k)`, as `recommend` does, text as bytes. `"serving_default"` gives
        the `k` of the export. `"recommend"` takes also `k`, int32, and `exclude`, candidate ids of shape `(n, m)`,
        where -1 or `""` fills up a row and ids outside of the corpus are ignored. See also `models.verify_bundle`.

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

    def set_weights(self, weights: Any) -> None:
        """Sets the weights as Keras does; embeddings of the corpus are computed again at the next use."""
        super().set_weights(weights)
        self._num_changes += 1

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        self._num_changes += 1

    def save_assets(self, directory: str) -> None:
        if self._index is not None:
            self._index.corpus.save(directory)

    def load_assets(self, directory: str | None) -> None:
        if self._index is not None:
            self._index.corpus.load(directory)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "query_tower": self.query_tower,
            "candidate_tower": self.candidate_tower,
            "candidates": self.corpus,
            "candidate_id": self.candidate_id,
            "query_id": self.query_id,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns a model from its config; the plugins that it needs are looked for first.

        Args:
            config: From `get_config`, serialized or not.

        Raises:
            PluginError: A tower is of a package that is not installed.
        """
        require_plugins(config)
        return cls(**deserialize_nested(config))

    def encode_corpus(self) -> None:
        """Computes the embeddings of the corpus anew. `recommend` and `evaluate` do so by themselves."""
        index = self._require_index("encode_corpus")
        index.encode(self.encode_candidates)
        self._encoded_state = self._weights_state()

    def _require_index(self, method: str) -> CorpusIndex:
        if self._index is None:
            problem = "the model has no candidates"
            fix = "Create it with candidates=..., for example a data frame of recipes"
            raise StateError(explain(f"RetrievalModel.{method}", problem, candidates=None, fix=fix))
        return self._index

    def _current_index(self, method: str) -> CorpusIndex:
        index = self._require_index(method)
        if self._encoded_state != self._weights_state():
            self.encode_corpus()
        return index

    def _weights_state(self) -> tuple[int, int]:
        """What changes whenever the weights do: training counts steps, setting and loading count changes."""
        steps = int(self.optimizer.iterations.numpy()) if self.compiled else 0
        return self._num_changes, steps

    def _encode_rows(self, tensors: dict[str, Any]) -> tf.Tensor:
        names = self.query_columns
        for name in names:
            require_column(tensors, name, "RetrievalModel.recommend: features")
        rows = num_rows(tensors[names[0]])
        starts = range(0, max(rows, 1), ENCODE_ROWS)
        parts = [self({name: tensors[name][start : start + ENCODE_ROWS] for name in names}) for start in starts]
        return tf.cast(tf.concat(parts, axis=0), tf.float32)


def _columns_of(tower: Tower, default: str | None, side: str) -> tuple[str, ...]:
    if tower.features:
        return tower.features
    if default is None:
        problem = f"which column `{side}` reads is not known"
        fix = 'Create the tower with feature="...", or name the column by query_id= or candidate_id='
        raise ArgumentError(explain("RetrievalModel", problem, fix=fix, tower=tower))
    return (default,)


def _encode(tower: Tower, names: tuple[str, ...], inputs: Any, side: str, training: bool | None) -> Any:
    """Calls a tower with the columns that it reads: alone, they cannot disturb it, nor it them."""
    if not is_by_name(inputs):
        return tower(inputs, training=training)
    columns = {name: inputs[require_column(inputs.keys(), name, f"RetrievalModel: {side}")] for name in names}
    try:
        return tower(columns if tower.features else columns[names[0]], training=training)
    except IdError as error:
        raise type(error)(f"column {', '.join(map(repr, names))}: {error}") from error
