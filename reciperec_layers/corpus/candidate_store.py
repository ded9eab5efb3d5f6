"""CorpusIndex: the encoded corpus, and what is asked of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.corpus.corpus import Corpus
from reciperec_layers.corpus.rank_tiles import held_out_ranks
from reciperec_layers.errors import (
    DivergedError,
    MissingExtraError,
    ModelFileError,
    UnknownIdError,
    describe_ids,
    explain,
)
from reciperec_layers.indexes import Index, exact_top_k
from reciperec_layers.indexes.candidate_lists import rows_of_lists
from reciperec_layers.indexes.embedding_arrays import check_finite
from reciperec_layers.models.two_tower_model import ENCODE_ROWS
from reciperec_layers.saving.asset import read_arrays, write_arrays

_Tower = Callable[[dict[str, tf.Tensor]], tf.Tensor]
_FOLDER = "index"
_STEPS = "num_steps"


class CorpusIndex:
    """The embeddings of a corpus, made by a tower, and the index that searches them.

    Args:
        corpus: The candidates.
        embedding_dim: Size of the embeddings.
        names: Columns that the tower reads.
        index: Searches them. It gets them when it is first needed.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> index = CorpusIndex(corpus, 1, ["recipe_id"], BruteForceIndex())
        >>> index.encode(lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis], state=(0, 0))
        >>> index.search(tf.constant([[1.0]]), k=1)[1].tolist()
        [[9]]
    """

    def __init__(self, corpus: Corpus, embedding_dim: int, names: Sequence[str], index: Index) -> None:
        self.corpus = corpus
        self._names = names
        # Of unknown length, so that a graph that reads it need not be traced again for another corpus.
        self._columns = tf.Variable(tf.zeros((embedding_dim, 0)), shape=(embedding_dim, None), trainable=False)
        self._index = index
        self._is_searchable = False
        self._num_index_changes = 0
        # What tells the weights apart, of the embeddings, and of those that the index learned from.
        self._state: tuple[int, int] | None = None
        self._learned_state: tuple[int, int] | None = None
        self._learned: dict[str, np.ndarray] = {}

    @property
    def embeddings(self) -> tf.Tensor:
        """The embeddings of all candidates, float32 of shape `(num_candidates, embedding_dim)`."""
        return tf.transpose(self._columns)

    def encode(self, tower: _Tower, state: tuple[int, int]) -> None:
        """Computes the embeddings of all candidates.

        Args:
            tower: From columns to embeddings.
            state: Tells the tower's weights from others; with equal ones an index need not learn again.

        Raises:
            DivergedError: An embedding is not finite.
        """
        embeddings = self._embed(tower, self.corpus)
        check_finite(embeddings, "RetrievalModel", "candidate embeddings")
        self._columns.assign(tf.transpose(embeddings))
        self._is_searchable = False
        self._state = state

    def encode_in_graph(self, tower: _Tower) -> None:
        """Computes them as part of a graph, for metrics while weights change."""
        self._columns.assign(tf.transpose(self._embed(tower, self.corpus)))

    def searchable(self) -> Index:
        """Returns the index, which has the candidates as they were encoded last."""
        if self._is_searchable and self._index.num_changes != self._num_index_changes:
            problem = "the candidates of the model's index were changed outside of the model, and are assigned again"
            fix = "Use append_candidates, remove_candidates and set_candidates"
            warnings.warn(explain("RetrievalModel", problem, fix=fix), stacklevel=4)
            self._is_searchable = False
        if not self._is_searchable:
            learned = self._learned if self._learned_state == self._state else None
            try:
                self._index.assign(self.embeddings, self.corpus.vocabulary, learned=learned)
            except (KeyError, ValueError, IndexError) as error:
                if learned is None:
                    raise
                problem = f"what the index has learned does not fit ({error})"
                fix = "Save the model again, or use an intact copy of the file"
                raise ModelFileError(explain("RetrievalModel", problem, fix=fix)) from error
            self._index_has_changed()
        return self._index

    def use(self, index: Index) -> None:
        """Takes another index, which gets the candidates when it is first needed."""
        self._index = index
        self._is_searchable, self._learned_state = False, None

    def append(self, added: Corpus, tower: _Tower | None) -> None:
        """Adds candidates behind the others.

        Args:
            added: The candidates, with the same columns.
            tower: From columns to embeddings; `None` where all are encoded later.
        """
        joined = self.corpus.joined(added)
        if tower is not None:
            embeddings = self._embed(tower, added)
            check_finite(embeddings, "RetrievalModel", "candidate embeddings")
            self.searchable().append(embeddings, added.vocabulary.ids)
            self._columns.assign(tf.concat([self._columns, tf.transpose(embeddings)], axis=1))
            self._index_has_changed()
        self.corpus = joined

    def remove(self, candidate_ids: Any) -> None:
        """Takes candidates out.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.

        Raises:
            UnknownIdError: An id is not in the corpus.
        """
        rows = self.rows_of(candidate_ids, "RetrievalModel.remove_candidates")
        left = np.setdiff1d(np.arange(len(self.corpus)), rows)
        kept = self.corpus.select(left)
        if self._is_searchable:
            self.searchable().remove(np.unique(self.corpus.vocabulary.ids[rows]))
            self._index_has_changed()
        if self._state is not None:
            self._columns.assign(tf.gather(self._columns, left, axis=1))
        self.corpus = kept

    def rows_of(self, candidate_ids: Any, owner: str) -> np.ndarray:
        """Returns the rows of ids, int64 of shape `(n,)`.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.
            owner: Who asks, for messages.

        Raises:
            UnknownIdError: An id is not in the corpus.
        """
        wanted = np.atleast_1d(to_id_array(candidate_ids, owner))
        rows = self.corpus.vocabulary.lookup(wanted)
        if (rows < 0).any() or rows.ndim != 1:
            problem = f"these ids are not in the corpus: {describe_ids(wanted[rows < 0])}"
            raise UnknownIdError(explain(owner, problem, fix="Pass a list of ids of the corpus"))
        return rows

    def save(self, directory: str, make_current: Callable[[str], CorpusIndex], num_steps: int) -> None:
        """Writes the corpus, and what the index learned, which may take long to learn again.

        Args:
            directory: Where to.
            make_current: Encodes the corpus where weights have changed.
            num_steps: Of the training so far.
        """
        self.corpus.save(directory)
        if not self._index.learns:
            return
        try:
            learned = make_current("save").searchable().learned
        except DivergedError:  # a diverged model is saved as it is
            return
        except MissingExtraError as error:  # what was trained is not lost
            warnings.warn(f"the file has no index, which is built when it is first used: {error}", stacklevel=2)
            return
        folder = Path(directory) / _FOLDER
        folder.mkdir()
        write_arrays(folder, {**learned, _STEPS: np.array(num_steps)})

    def load(self, directory: str | None, state: Callable[[int], tuple[int, int]]) -> None:
        """Reads what `save` wrote.

        Args:
            directory: Where from.
            state: Returns what tells the weights apart, of a number of steps.
        """
        self.corpus.load(directory)
        try:
            learned = {} if directory is None else read_arrays(Path(directory) / _FOLDER)
        except (OSError, ValueError, EOFError) as error:
            problem = f"what the index has learned is damaged ({error})"
            fix = "Save the model again, or use an intact copy of the file"
            raise ModelFileError(explain("RetrievalModel", problem, fix=fix)) from error
        if _STEPS in learned:
            self._learned_state = state(int(learned.pop(_STEPS)))
            self._learned = learned

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

    def ranks(self, queries: tf.Tensor, true_rows: tf.Tensor, excluded: tf.RaggedTensor | None = None) -> tf.Tensor:
        """Returns the rank of each query's held-out candidate; see `metrics.true_ranks`. Part of a graph.

        Args:
            queries: Query embeddings, shape `(n, dim)`.
            true_rows: Corpus row of each held-out candidate, int64 of shape `(n,)`; -1 outside of the corpus.
            excluded: Corpus rows that a query may not get, int64 of shape `(n, None)`.
        """
        queries = tf.cast(queries, tf.float32)
        return held_out_ranks(queries, self._columns, len(self.corpus), true_rows, excluded)

    def similar(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns cosine similarities and ids of the k candidates nearest to each corpus row, without itself."""
        unit = tf.math.l2_normalize(self.embeddings, axis=1)
        own = tf.RaggedTensor.from_uniform_row_length(tf.constant(rows, tf.int64), 1)
        return self._found(exact_top_k(tf.gather(unit, rows), unit, self._checked(k), own), k)

    def as_frame(self, queries: dict[str, np.ndarray], scores: np.ndarray, ids: np.ndarray) -> Any:
        """Returns recommendations as a data frame, one row each, joined with the corpus's columns.

        Args:
            queries: Columns of the queries, shape `(n,)`.
            scores: Scores, shape `(n, k)`; places of score -inf are left out.
            ids: Candidate ids, shape `(n, k)`.
        """
        import pandas as pd  # not needed to train, and slow to import

        row, place = np.nonzero(scores > -np.inf)
        found = self.corpus.vocabulary.lookup(ids[row, place])
        columns: dict[str, Any] = {name: _as_text(values)[row] for name, values in queries.items()}
        columns |= {"rank": place + 1, "score": scores[row, place]}
        columns |= {name: list(values[found]) for name, values in self.corpus.columns.items()}
        return pd.DataFrame(columns)

    def _embed(self, tower: _Tower, corpus: Corpus) -> tf.Tensor:
        parts = [tf.cast(tower(batch), tf.float32) for batch in corpus.batches(self._names, ENCODE_ROWS)]
        return tf.concat(parts, axis=0)

    def _index_has_changed(self) -> None:
        self._is_searchable, self._num_index_changes = True, self._index.num_changes
        self._learned, self._learned_state = self._index.learned, self._state

    def _checked(self, k: int) -> int:
        """Returns k, or the number of candidates where it is smaller, with a warning."""
        k = check_integer("RetrievalModel", "k", k, example=10)
        size = len(self.corpus)
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
        return scores, self.corpus.vocabulary.reverse_lookup(np.pad(rows, missing, constant_values=-1))


def _as_text(values: np.ndarray) -> np.ndarray:
    return to_id_array(values) if values.dtype == object else values


def corpus_rows(corpus: Corpus, splits: np.ndarray, candidate_ids: Any) -> tf.RaggedTensor:
    """Returns ragged lists of candidate ids as corpus rows; ids outside of the corpus are left out.

    Args:
        corpus: The candidates.
        splits: Row splits, int64 of shape `(n + 1,)`.
        candidate_ids: The ids of all lists, one after the other.

    Example:
        >>> corpus_rows(Corpus({"recipe_id": [7, 9]}, "recipe_id"), np.array([0, 2, 3]), [9, 5, 7])
        <tf.RaggedTensor [[1], [0]]>
    """
    return rows_of_lists(corpus.vocabulary, splits, candidate_ids)
