"""CandidateStore: the candidates of a model, their embeddings and their index, kept up to date with the weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.candidates.held_out_ranks import ranks_in_tiles
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import (
    DivergedError,
    MissingExtraError,
    ModelFileError,
    StateError,
    UnknownIdError,
    describe_error,
    describe_ids,
    explain,
)
from reciperec_layers.graph.change_counter import ChangeCounter
from reciperec_layers.indexes import Index, exact_top_k
from reciperec_layers.indexes.embedding_arrays import check_finite
from reciperec_layers.saving.array_folders import read_arrays, write_arrays
from reciperec_layers.towers.tower_columns import ENCODE_ROWS

_FOLDER = "index"
_DIGEST = "weights_digest"
_STEPS = "num_steps"  # in files of version 0.1, which have no digest

Encode = Callable[[dict[str, tf.Tensor]], tf.Tensor]


@dataclass(frozen=True)
class _Learned:
    """What an index has learned of the candidates, and the weights at which it learned.

    Args:
        arrays: What it has learned, by name.
        is_of_present_weights: Tells whether the weights are still those.
    """

    arrays: dict[str, np.ndarray]
    is_of_present_weights: Callable[[object], bool]


class CandidateStore:
    """Owns the corpus, its embeddings, the index that searches them, and what this index has learned.

    Embeddings are made when they are first needed, and again when a weight of the tower has changed since. They exist
    once beside the form in which the index keeps them: by row until the index takes them over, and by column while an
    evaluation ranks.

    Args:
        encode: The candidate tower, from columns to embeddings of shape `(n, embedding_dim)`.
        weights: Its weights.
        columns: Columns that it reads.
        embedding_dim: Size of the embeddings.
        index: Searches them. It belongs to the store alone.
        corpus: The candidates, or `None`.
        owner: Name of the class that errors name.

    Example:
        >>> import keras
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> tower = keras.layers.Embedding(10, 1)
        >>> tower.build()
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> encode = lambda features: tower(features["recipe_id"])
        >>> store = CandidateStore(encode, ChangeCounter(tower), ["recipe_id"], 1, BruteForceIndex(), corpus)
        >>> tower.set_weights([tf.range(10.0)[:, tf.newaxis]])
        >>> store.search(tf.constant([[1.0]]), k=1)[1].tolist()
        [[9]]
        >>> tower.set_weights([-tf.range(10.0)[:, tf.newaxis]])
        >>> store.search(tf.constant([[1.0]]), k=1)[1].tolist()
        [[7]]
    """

    def __init__(
        self,
        encode: Encode,
        weights: ChangeCounter,
        columns: Sequence[str],
        embedding_dim: int,
        index: Index,
        corpus: Corpus | None = None,
        owner: str = "RetrievalModel",
    ) -> None:
        self._encode = encode
        self._weights = weights
        self._names = tuple(columns)
        self._owner = owner
        self.embedding_dim = embedding_dim
        self.corpus = corpus
        self.index = index
        self._rows: tf.Tensor | None = None  # the embeddings, unless the index has them
        self._rows_version: object = None
        self._index_version: object = None
        self._index_changes = 0  # of the index itself, to see when somebody else changes it
        self._learned: _Learned | None = None
        # Of unknown length, so that a graph that reads it need not be traced again for another corpus.
        self._by_column = tf.Variable(tf.zeros((embedding_dim, 0)), shape=(embedding_dim, None), trainable=False)

    def require_corpus(self, method: str) -> Corpus:
        """Returns the corpus.

        Raises:
            StateError: There is none; names the method that needs it.
        """
        if self.corpus is None:
            fix = "Create it with candidates=..., for example a data frame of recipes"
            raise StateError(
                explain(f"{self._owner}.{method}", "the model has no candidates", candidates=None, fix=fix)
            )
        return self.corpus

    def set_corpus(self, corpus: Corpus) -> None:
        """Takes other candidates."""
        self.corpus = corpus
        self._rows, self._rows_version, self._index_version, self._learned = None, None, None, None

    def set_index(self, index: Index) -> None:
        """Takes another index, which gets the candidates when it is first needed."""
        if self._index_is_current(version := self._weights.version()):
            self._rows, self._rows_version = self.index.embeddings, version
        self.index, self._index_version, self._learned = index, None, None

    def append(self, added: Corpus) -> None:
        """Adds candidates behind the others. Where the embeddings are current only the new ones are encoded.

        Args:
            added: The candidates, with the same columns.
        """
        corpus = self.require_corpus("append_candidates")
        joined = corpus.joined(added)
        version = self._version_to_extend()
        if version is not None:
            embeddings = self._embed(added)
            if self._index_is_current(version):
                self.index.append(embeddings, added.vocabulary.ids)
                self._index_took_over(version)
            else:
                self._rows = tf.concat([self._rows, embeddings], axis=0)
        self.corpus = joined

    def remove(self, candidate_ids: Any) -> None:
        """Takes candidates out.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.

        Raises:
            UnknownIdError: An id is not in the corpus.
        """
        corpus = self.require_corpus("remove_candidates")
        rows = self.rows_of(candidate_ids, "remove_candidates")
        left = np.setdiff1d(np.arange(len(corpus)), rows)
        kept = corpus.select(left)
        version = self._version_to_extend()
        if version is not None:
            if self._index_is_current(version):
                self.index.remove(np.unique(corpus.vocabulary.ids[rows]))
                self._index_took_over(version)
            else:
                self._rows = tf.gather(self._rows, left)
        self.corpus = kept

    def rows_of(self, candidate_ids: Any, method: str) -> np.ndarray:
        """Returns the rows of ids, int64 of shape `(n,)`.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.
            method: Name of the calling method, for messages.

        Raises:
            UnknownIdError: An id is not in the corpus.
        """
        owner = f"{self._owner}.{method}"
        wanted = np.atleast_1d(to_id_array(candidate_ids, owner))
        rows = self.require_corpus(method).vocabulary.lookup(wanted)
        if (rows < 0).any() or rows.ndim != 1:
            problem = f"these ids are not in the corpus: {describe_ids(wanted[rows < 0])}"
            raise UnknownIdError(explain(owner, problem, fix="Pass a list of ids of the corpus"))
        return rows

    def encode(self) -> None:
        """Computes the embeddings of all candidates, whether or not weights have changed.

        Raises:
            DivergedError: An embedding is not finite.
        """
        version = self._weights.version()
        self._rows, self._rows_version, self._index_version = None, None, None
        self._rows = self._embed(self.require_corpus("encode_corpus"))
        self._rows_version = version

    def embeddings(self) -> tf.Tensor:
        """Returns the embeddings of all candidates at the present weights, float32 of shape `(n, embedding_dim)`."""
        version = self._weights.version()
        if self._index_is_current(version):
            return self.index.embeddings
        if self._rows is None or self._rows_version != version:
            self.encode()
        return self._rows

    def searchable(self) -> Index:
        """Returns the index, which has the candidates as the present weights embed them."""
        corpus, version = self.require_corpus("candidate_index"), self._weights.version()
        if self._index_is_current(version):
            return self.index
        if self._index_version is not None and self._index_version == version:
            problem = "the candidates of the model's index were changed outside of the model, and are assigned again"
            fix = "Use append_candidates, remove_candidates and set_candidates"
            warnings.warn(explain(self._owner, problem, fix=fix), stacklevel=4)
        embeddings = self.embeddings()
        version = self._rows_version
        fits = self._learned is not None and self._learned.is_of_present_weights(version)
        learned = self._learned.arrays if self._learned is not None and fits else None
        try:
            self.index.assign(embeddings, corpus.vocabulary, learned=learned)
        except Exception as error:
            if learned is None:
                raise
            problem = f"what the index has learned does not fit ({describe_error(error)})"
            fix = "Save the model again, or use an intact copy of the file"
            raise ModelFileError(explain(self._owner, problem, fix=fix)) from error
        self._index_took_over(version)
        return self.index

    def search(
        self,
        queries: tf.Tensor,
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores, float32 of shape `(n, k)`, best first, and candidate ids of the same shape.

        Empty places have the score -inf, which is the only signal, and the id -1 or `""`. Where rows are `allowed`,
        what is excluded must not be among them.
        """
        return self._found(self.searchable().search_rows(queries, self._checked(k), excluded, allowed), k)

    def similar(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns cosine similarities and ids of the k candidates nearest to each corpus row, without itself."""
        unit = tf.math.l2_normalize(self.embeddings(), axis=1)
        own = tf.RaggedTensor.from_uniform_row_length(tf.constant(rows, tf.int64), 1)
        return self._found(exact_top_k(tf.gather(unit, rows), unit, self._checked(k), own), k)

    def begin_ranking(self, encode_anew: bool = False) -> None:
        """Holds the embeddings by column, as `ranks` multiplies with them, until `end_ranking`.

        Args:
            encode_anew: Whether to compute them also where no weight has changed, for towers that depend on
                something else.
        """
        version = self._weights.version()
        has_current = self._index_is_current(version) or (self._rows is not None and self._rows_version == version)
        if has_current and encode_anew:
            self._by_column.assign(self._embed(self.require_corpus("evaluate"), by_column=True))
        else:
            self._by_column.assign(tf.transpose(self.embeddings()))

    def end_ranking(self) -> None:
        """Releases the embeddings held by `begin_ranking`."""
        self._by_column.assign(tf.zeros((self.embedding_dim, 0)))

    def encode_in_graph(self) -> None:
        """Computes what `begin_ranking` does as part of a graph, for metrics while weights change."""
        batches = self.require_corpus("fit").batches(self._names, ENCODE_ROWS)
        embeddings = tf.concat([tf.cast(self._encode(batch), tf.float32) for batch in batches], axis=0)
        self._by_column.assign(tf.transpose(embeddings))

    def ranks(self, queries: tf.Tensor, true_rows: tf.Tensor, excluded: tf.RaggedTensor | None = None) -> tf.Tensor:
        """Returns the rank of each query's held-out candidate; see `metrics.true_ranks`. Part of a graph.

        Args:
            queries: Query embeddings, shape `(n, embedding_dim)`.
            true_rows: Corpus row of each held-out candidate, int64 of shape `(n,)`; -1 outside of the corpus.
            excluded: Corpus rows that a query may not get, int64 of shape `(n, None)`.
        """
        num_candidates = len(self.require_corpus("evaluate"))
        return ranks_in_tiles(tf.cast(queries, tf.float32), self._by_column, num_candidates, true_rows, excluded)

    def save(self, directory: str) -> None:
        """Writes the corpus, and what the index has learned, which may take long to learn again."""
        if self.corpus is None:
            return
        self.corpus.save(directory)
        if not self.index.learns:
            return
        try:
            learned = self.searchable().learned
        except DivergedError:  # a diverged model is saved as it is
            return
        except MissingExtraError as error:  # what was trained is not lost
            warnings.warn(f"the file has no index, which is built when it is first used: {error}", stacklevel=2)
            return
        folder = Path(directory) / _FOLDER
        folder.mkdir()
        write_arrays(folder, {**learned, _DIGEST: np.array(self._weights.digest())})

    def load(self, directory: str | None, num_steps: Callable[[], int | None]) -> None:
        """Reads what `save` wrote.

        Args:
            directory: The folder.
            num_steps: Returns how many steps the model was trained, by which older files tell their weights apart, or
                `None` where the model has no optimizer.
        """
        if self.corpus is None:
            return
        self.corpus.load(directory)
        try:
            learned = {} if directory is None else read_arrays(Path(directory) / _FOLDER)
        except Exception as error:
            problem = f"what the index has learned is damaged ({describe_error(error)})"
            fix = "Save the model again, or use an intact copy of the file"
            raise ModelFileError(explain(self._owner, problem, fix=fix)) from error
        # The weights are loaded after this, so they are compared when the index is first built.
        if _DIGEST in learned:
            digest = str(learned.pop(_DIGEST))
            self._learned = _Learned(learned, lambda version: self._weights.digest() == digest)
        elif _STEPS in learned:
            steps = int(learned.pop(_STEPS))
            self._learned = _Learned(learned, lambda version: num_steps() in (steps, None))

    def _embed(self, corpus: Corpus, by_column: bool = False) -> tf.Tensor:
        """Returns the embeddings of candidates, of shape `(n, embedding_dim)`, transposed where they are by column."""
        # Parts are put together outside of TensorFlow, which never gives memory back to the system.
        embeddings = np.empty((len(corpus), self.embedding_dim), np.float32, order="F" if by_column else "C")
        start = 0
        for batch in corpus.batches(self._names, ENCODE_ROWS):
            part = tf.cast(self._encode(batch), tf.float32).numpy()
            embeddings[start : start + len(part)] = part
            start += len(part)
        if not np.isfinite(embeddings).all():
            check_finite(tf.constant(embeddings), self._owner, "candidate embeddings")
        return tf.constant(embeddings.T if by_column else embeddings)

    def _index_is_current(self, version: object) -> bool:
        is_of_version = self._index_version is not None and self._index_version == version
        return is_of_version and self.index.num_changes == self._index_changes

    def _index_took_over(self, version: object) -> None:
        self._index_version, self._index_changes = version, self.index.num_changes
        self._rows, self._rows_version = None, None
        self._learned = _Learned(self.index.learned, lambda present: present == version)

    def _version_to_extend(self) -> object:
        """Returns the version of embeddings to which candidates can be added, `None` where all are encoded later.

        What an index has learned of the candidates is extended with them, so it must be built by then.
        """
        version = self._weights.version()
        is_built = self._index_version is not None and self._index_version == version
        has_learned = self._learned is not None and self.index.learns and self._learned.is_of_present_weights(version)
        if is_built or has_learned:
            self.searchable()
            return version
        self._learned, self._index_version = None, None
        if self._rows is not None and self._rows_version == version:
            return version
        self._rows, self._rows_version = None, None
        return None

    def _checked(self, k: int) -> int:
        """Returns k, or the number of candidates where it is smaller, with a warning."""
        k = check_integer(self._owner, "k", k, example=10)
        size = len(self.require_corpus("recommend"))
        if k > size:
            warnings.warn(
                f"k={k} is more than the {size} candidates of the corpus; the rest is padded with score -inf.",
                stacklevel=4,
            )
        return min(k, size)

    def _found(self, found: tuple[tf.Tensor, tf.Tensor], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores and ids, padded to k."""
        scores, rows = (each.numpy() for each in found)
        missing = [[0, 0], [0, k - scores.shape[1]]]
        scores = np.pad(scores, missing, constant_values=-np.inf)
        ids = self.require_corpus("recommend").vocabulary
        return scores, ids.reverse_lookup(np.pad(rows, missing, constant_values=-1))
