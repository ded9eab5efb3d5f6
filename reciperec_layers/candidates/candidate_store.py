"""CandidateStore: the candidates of a model, their embeddings and their index, kept up to date with the weights."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.candidate_snapshot import CandidateSnapshot
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.tensors import require_single_ids
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import (
    ArgumentError,
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
from reciperec_layers.indexes import Index
from reciperec_layers.indexes.embedding_arrays import check_finite
from reciperec_layers.indexes.indexed_candidates import IndexedCandidates
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

    Whatever changes something holds the lock and publishes a new `CandidateSnapshot` in the end. A reader takes the
    snapshot without the lock if it is of the present weights, so that any number of threads read at once, and waits for
    the one that builds it if it is not.

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
        >>> store.snapshot("recommend").search(tf.constant([[1.0]]), k=1)[1].tolist()
        [[9]]
        >>> tower.set_weights([-tf.range(10.0)[:, tf.newaxis]])
        >>> store.snapshot("recommend").search(tf.constant([[1.0]]), k=1)[1].tolist()
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
        self._lock = threading.RLock()
        self._snapshot: CandidateSnapshot | None = None
        self._rows: tf.Tensor | None = None  # the embeddings, unless the index has them
        self._rows_version: object = None
        self._learned: _Learned | None = None
        # Of unknown length, so that a graph that reads it need not be traced again for another corpus.
        self.by_column = tf.Variable(tf.zeros((embedding_dim, 0)), shape=(embedding_dim, None), trainable=False)

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

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Makes other threads wait that would change the candidates."""
        with self._lock:
            yield

    def set_corpus(self, corpus: Corpus) -> None:
        """Takes other candidates."""
        with self._lock:
            self._publish(corpus, None)
            self._rows, self._rows_version, self._learned = None, None, None

    def set_index(self, index: Index) -> None:
        """Takes another index, which gets the candidates when it is first needed."""
        with self._lock:
            if (current := self._current(self._weights.version())) is not None:
                self._rows, self._rows_version = current.embeddings, current.version
            self.index, self._snapshot, self._learned = index, None, None

    def append(self, added: Corpus) -> None:
        """Adds candidates behind the others. Where the embeddings are current only the new ones are encoded.

        Args:
            added: The candidates, with the same columns.
        """
        with self._lock:
            joined = self.require_corpus("append_candidates").joined(added, f"{self._owner}.append_candidates")
            version = self._version_to_extend()
            if version is None:
                self._publish(joined, None)
                return
            embeddings = self._embed(added)
            if (current := self._current(version)) is not None:
                self._take(joined, self.index.extended(current.indexed, embeddings, added.vocabulary.ids), version)
            else:
                self._rows = tf.concat([self._rows, embeddings], axis=0)
                self._publish(joined, None)

    def remove(self, candidate_ids: Any) -> None:
        """Takes candidates out.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.

        Raises:
            UnknownIdError: An id is not in the corpus.
            ArgumentError: No candidate would be left.
        """
        with self._lock:
            corpus = self.require_corpus("remove_candidates")
            rows = self.rows_of(corpus, candidate_ids, "remove_candidates")
            left = np.setdiff1d(np.arange(len(corpus)), rows)
            if not left.size:
                fix = "Leave one, or replace them by set_candidates"
                owner = f"{self._owner}.remove_candidates"
                raise ArgumentError(explain(owner, "no candidate would be left", candidates=len(corpus), fix=fix))
            kept = corpus.select(left)
            version = self._version_to_extend()
            if version is None:
                self._publish(kept, None)
            elif (current := self._current(version)) is not None:
                removed = np.unique(corpus.vocabulary.ids[rows])
                self._take(kept, self.index.reduced(current.indexed, removed), version)
            else:
                self._rows = tf.gather(self._rows, left)
                self._publish(kept, None)

    def rows_of(self, corpus: Corpus, candidate_ids: Any, method: str) -> np.ndarray:
        """Returns the rows of ids, int64 of shape `(n,)`.

        Args:
            corpus: The candidates.
            candidate_ids: Ids of the corpus, shape `(n,)`.
            method: Name of the calling method, for messages.

        Raises:
            UnknownIdError: An id is not in the corpus.
        """
        owner = f"{self._owner}.{method}"
        wanted = np.atleast_1d(to_id_array(candidate_ids, owner, dtype=corpus.vocabulary.dtype, source="the corpus"))
        require_single_ids(wanted, corpus.id_column, owner)
        rows = corpus.vocabulary.lookup(wanted)
        if (rows < 0).any():
            problem = f"these ids are not in the corpus: {describe_ids(wanted[rows < 0])}"
            raise UnknownIdError(explain(owner, problem, fix="Pass a list of ids of the corpus"))
        return rows

    def encode(self) -> None:
        """Computes the embeddings of all candidates, whether or not weights have changed.

        Raises:
            DivergedError: An embedding is not finite.
        """
        with self._lock:
            version = self._weights.version()
            self._rows, self._rows_version, self._snapshot = None, None, None
            self._rows = self._embed(self.require_corpus("encode_corpus"))
            self._rows_version = version

    def embedded(self, method: str) -> tuple[Corpus, tf.Tensor]:
        """Returns the corpus and its embeddings at the present weights, float32 of shape `(n, embedding_dim)`.

        Args:
            method: Name of the calling method, for messages.
        """
        with self._lock:
            corpus, version = self.require_corpus(method), self._weights.version()
            if (current := self._current(version)) is not None:
                return corpus, current.embeddings
            if not self._has_rows(version):
                self.encode()
            return corpus, self._rows

    def embeddings_of(self, corpus: Corpus) -> tf.Tensor:
        """Returns the embeddings of a corpus that was the store's a moment ago, or still is."""
        present, embeddings = self.embedded("held_out_ranks")
        return embeddings if present is corpus else self._embed(corpus)

    def snapshot(self, method: str) -> CandidateSnapshot:
        """Returns the candidates in the index, as the present weights embed them.

        Args:
            method: Name of the calling method, for messages.

        Raises:
            StateError: There are no candidates.
            DivergedError: An embedding is not finite.
        """
        current = self._current(self._weights.version())
        if current is not None:
            return current
        with self._lock:
            return self._built(method)

    def begin_ranking(self, encode_anew: bool = False) -> None:
        """Holds the embeddings by column, in `by_column`, until `end_ranking`.

        Args:
            encode_anew: Whether to compute them also where no weight has changed, for towers that depend on
                something else.
        """
        with self._lock:
            version = self._weights.version()
            if encode_anew and (self._has_rows(version) or self._current(version) is not None):
                self.by_column.assign(self._embed(self.require_corpus("evaluate"), by_column=True))
            else:
                self.by_column.assign(tf.transpose(self.embedded("evaluate")[1]))

    def end_ranking(self) -> None:
        """Releases the embeddings held by `begin_ranking`."""
        self.by_column.assign(tf.zeros((self.embedding_dim, 0)))

    def encode_in_graph(self) -> None:
        """Computes what `begin_ranking` does as part of a graph, for metrics while weights change."""
        batches = self.require_corpus("fit").batches(self._names, ENCODE_ROWS)
        embeddings = tf.concat([tf.cast(self._encode(batch), tf.float32) for batch in batches], axis=0)
        self.by_column.assign(tf.transpose(embeddings))

    def save(self, directory: str) -> None:
        """Writes the corpus, and what the index has learned, which may take long to learn again."""
        if self.corpus is None:
            return
        self.corpus.save(directory)
        if not self.index.learns:
            return
        try:
            learned = self.snapshot("save").indexed.learned
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

    def _current(self, version: object) -> CandidateSnapshot | None:
        """Returns the snapshot if it is of these weights and nobody else has changed the index."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.version != version:
            return None
        return snapshot.at(snapshot.index.candidates)

    def _has_rows(self, version: object) -> bool:
        return self._rows is not None and self._rows_version == version

    def _built(self, method: str) -> CandidateSnapshot:
        version = self._weights.version()
        if (current := self._current(version)) is not None:
            return current
        if self._snapshot is not None and self._snapshot.version == version:
            problem = "the candidates of the model's index were changed outside of the model, and are assigned again"
            fix = "Use append_candidates, remove_candidates and set_candidates"
            warnings.warn(explain(self._owner, problem, fix=fix), stacklevel=4)
        corpus, embeddings = self.embedded(method)
        version = self._rows_version
        learned = None
        if self._learned is not None and self._learned.is_of_present_weights(version):
            learned = self._learned.arrays
        try:
            indexed = self.index.arranged(embeddings, corpus.vocabulary, learned=learned)
        except Exception as error:
            if learned is None:
                raise
            problem = f"what the index has learned does not fit ({describe_error(error)})"
            fix = "Save the model again, or use an intact copy of the file"
            raise ModelFileError(explain(self._owner, problem, fix=fix)) from error
        return self._take(corpus, indexed, version)

    def _take(self, corpus: Corpus, indexed: IndexedCandidates, version: object) -> CandidateSnapshot:
        """Puts candidates into the index, which has their embeddings from now on."""
        snapshot = CandidateSnapshot(corpus, self.index, self.index.hold(indexed), version)
        self._publish(corpus, snapshot)
        self._rows, self._rows_version = None, None
        self._learned = _Learned(indexed.learned, lambda present: present == version)
        return snapshot

    def _publish(self, corpus: Corpus, snapshot: CandidateSnapshot | None) -> None:
        self._snapshot = snapshot
        self.corpus = corpus

    def _version_to_extend(self) -> object:
        """Returns the version of embeddings to which candidates can be added, `None` where all are encoded later.

        What an index has learned of the candidates is extended with them, so it must be built by then.
        """
        version = self._weights.version()
        is_built = self._snapshot is not None and self._snapshot.version == version
        has_learned = self._learned is not None and self.index.learns and self._learned.is_of_present_weights(version)
        if is_built or has_learned:
            return self._built("append_candidates").version
        self._learned = None
        if self._has_rows(version):
            return version
        self._rows, self._rows_version = None, None
        return None
