"""The SavedModel that TensorFlow alone loads: from raw features to scores and ids."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import MAX_EMPTY_PLACES, check_k
from reciperec_layers.candidates.candidate_store import CandidateStore
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError
from reciperec_layers.export.bundle_manifest import BundleManifest, check_replaceable, file_hashes
from reciperec_layers.graph.graph_errors import check
from reciperec_layers.graph.hash_tables import static_hash_table
from reciperec_layers.graph.not_finite import checked_finite
from reciperec_layers.indexes import INDEXES, Index
from reciperec_layers.indexes.allowed_search import top_k_of_lists
from reciperec_layers.indexes.indexed_candidates import IndexedCandidates
from reciperec_layers.layers import IdLookup
from reciperec_layers.saving.atomic_folders import check_folder_writable, write_folder_beside
from reciperec_layers.towers import Tower
from reciperec_layers.version import __version__


class ServingBundle(tf.Module):
    """Query tower, candidates and their index, as functions of tensors that TensorFlow saves whole.

    Args:
        encode: Maps the columns to query embeddings of shape `(n, dim)`.
        parts: What `encode` reads: layers, modules and variables, the query tower first.
        columns: Form of each column; its name is that of the argument in a signature.
        index: Finds the candidates.
        k: How many candidates `serve` gives.
        candidates: The candidates as the index holds them; by default the present ones.
        owner: Name of the class that errors name.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> from reciperec_layers.towers import IdTower
        >>> tower, index = IdTower([7], 1, initializer="ones"), BruteForceIndex()
        >>> index.assign([[1.0], [2.0]], ids=[50, 60])
        >>> specs = {"user_id": tf.TensorSpec((None,), tf.int64, "user_id")}
        >>> bundle = ServingBundle(lambda columns: tower(columns["user_id"]), [tower], specs, index, k=1)
        >>> bundle.serve({"user_id": tf.constant([7], tf.int64)})["ids"].numpy()
        array([[60]])
    """

    def __init__(
        self,
        encode: Callable[[dict[str, tf.Tensor]], tf.Tensor],
        parts: Sequence[Any],
        columns: dict[str, tf.TensorSpec],
        index: Index,
        k: int,
        candidates: IndexedCandidates | None = None,
        owner: str = "RetrievalModel",
    ) -> None:
        super().__init__(name="serving_bundle")
        self._owner = owner
        self.parts = list(parts)  # so that TensorFlow finds their weights and hash tables
        # Constants would be part of the graph, which ends at 2 GB.
        tensors = index.tensors() if candidates is None else candidates.tensors
        ids = index.ids if candidates is None else candidates.vocabulary.ids
        self.variables_of_index = {
            name: tf.Variable(tensor, trainable=False, name=name) for name, tensor in tensors.items()
        }
        self.candidate_rows = _table_of_rows(ids)

        def embed(columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return checked_finite(tf.cast(encode(columns), tf.float32), owner, "query embeddings", columns)

        def serve(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            tensors, queries = self._tensors(), embed(columns)
            return found(tensors, index.find_padded(tensors, queries, k, None))

        def recommend(columns: dict[str, tf.Tensor], k: tf.Tensor, exclude: tf.Tensor) -> dict[str, tf.Tensor]:
            tensors, queries = self._tensors(), embed(columns)
            excluded = self._rows(exclude, queries, "exclude")
            return found(tensors, index.find_padded(tensors, queries, _checked(k, tensors, queries, owner), excluded))

        def recommend_allowed(
            columns: dict[str, tf.Tensor], k: tf.Tensor, allow: tf.Tensor, exclude: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            tensors, queries = self._tensors(), embed(columns)
            allowed = _without(self._rows(allow, queries, "allow"), self._rows(exclude, queries, "exclude"))
            embeddings_of = functools.partial(index.embeddings_of, tensors)
            return found(tensors, top_k_of_lists(queries, embeddings_of, _checked(k, tensors, queries, owner), allowed))

        def found(tensors: dict[str, tf.Tensor], of: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"scores": of[0], "ids": index.ids_of(tensors, of[1])}

        of_k = tf.TensorSpec((), tf.int32, "k")
        id_dtype = self.variables_of_index["ids"].dtype
        of_allow, of_exclude = (tf.TensorSpec((None, None), id_dtype, name) for name in ("allow", "exclude"))
        self.serve = tf.function(serve, input_signature=[columns], autograph=False)
        self.recommend = tf.function(recommend, input_signature=[columns, of_k, of_exclude], autograph=False)
        signature = [columns, of_k, of_allow, of_exclude]
        self.recommend_allowed = tf.function(recommend_allowed, input_signature=signature, autograph=False)

    def save(self, folder: str | Path) -> None:
        """Writes the SavedModel."""
        signatures = {
            "serving_default": self.serve,
            "recommend": self.recommend,
            "recommend_allowed": self.recommend_allowed,
        }
        try:
            tf.saved_model.save(self, str(folder), signatures=signatures)
        except tf.errors.OpError as error:  # how TensorFlow says that a disk is full
            raise OSError(str(error).partition("\n")[0]) from error

    def _tensors(self) -> dict[str, tf.Tensor]:
        return {name: variable.value() for name, variable in self.variables_of_index.items()}

    def _rows(self, ids: tf.Tensor, queries: tf.Tensor, argument: str) -> tf.Tensor:
        """Returns the rows of lists of ids, -1 for ids that are not candidates."""
        owner, num_queries, num_lists = self._owner, tf.shape(queries)[0], tf.shape(ids)[0]

        def text() -> tf.Tensor:
            expected = [f"{owner}: `{argument}` must have one row for each of ", tf.as_string(num_queries)]
            return tf.strings.join([*expected, " queries. Received: ", tf.as_string(num_lists), " rows."])

        with tf.control_dependencies([check(tf.equal(num_queries, num_lists), ArgumentError, text)]):
            return self.candidate_rows.lookup(ids)


def export_bundle(
    encode: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    parts: Sequence[Any],
    forms: dict[str, tf.TensorSpec],
    store: CandidateStore,
    filepath: str | Path,
    k: int,
    overwrite: bool,
    owner: str,
) -> None:
    """Writes the encoder of queries and the candidates of a store as a folder that TensorFlow alone loads.

    Args:
        encode: From columns to query embeddings.
        parts: What `encode` reads: layers, modules and variables, the query tower first.
        forms: Form of each column, from `column_forms`.
        store: The candidates.
        filepath: The folder.
        k: How many candidates `serving_default` gives.
        overwrite: Whether a bundle may be replaced.
        owner: Name of the caller, for messages.
    """
    k = check_k(owner, k, len(store.require_corpus("export")))
    check_folder_writable(filepath, overwrite, check_replaceable)
    snapshot = store.snapshot("export")
    corpus, index = snapshot.corpus, snapshot.index
    bundle = ServingBundle(encode, parts, forms, index, k, snapshot.indexed, owner.partition(".")[0])

    def write(folder: Path) -> None:
        bundle.save(folder)
        manifest = BundleManifest(
            versions={"reciperec_layers": __version__, "keras": keras.__version__, "tensorflow": tf.__version__},
            columns={name: _described(form) for name, form in forms.items()},
            candidate_id=corpus.id_column,
            candidate_id_dtype=corpus.vocabulary.dtype,
            num_candidates=len(corpus),
            embedding_dim=store.embedding_dim,
            index=INDEXES.name_of(type(index)) or type(index).__name__,
            k=k,
            fingerprints=_fingerprints(parts[0], corpus),
            files=file_hashes(folder),
        )
        manifest.write(folder)  # last: a folder without it is not a bundle

    write_folder_beside(filepath, write, overwrite, check_replaceable)


def _described(spec: tf.TensorSpec) -> dict[str, Any]:
    return {"argument": spec.name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _fingerprints(query_tower: Tower, corpus: Corpus) -> dict[str, Any]:
    lookups = [layer for layer in query_tower._flatten_layers() if isinstance(layer, IdLookup)]
    return {
        "corpus": corpus.get_config()["fingerprint"],
        "candidate_ids": corpus.vocabulary.fingerprint,
        "query_vocabularies": [lookup.vocabulary.fingerprint for lookup in lookups],
    }


def _table_of_rows(ids: np.ndarray) -> tf.lookup.StaticHashTable:
    is_text = ids.dtype == object
    kept = ids != ("" if is_text else -1)  # padding is never a candidate, even where a candidate has that id
    keys = tf.constant(ids[kept], tf.string if is_text else tf.int64)
    return static_hash_table(keys, tf.constant(np.flatnonzero(kept), tf.int64), -1)


def _without(allowed: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
    """Returns allowed rows in ascending order, each once, -1 in the place of others and of those excluded."""
    # One place more in each, since TensorFlow does not search for nothing.
    allowed = tf.sort(tf.pad(allowed, [[0, 0], [0, 1]], constant_values=-1), axis=1)
    before = tf.pad(allowed, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
    excluded = tf.sort(tf.pad(excluded, [[0, 0], [0, 1]], constant_values=-1), axis=1)
    places = tf.minimum(tf.searchsorted(excluded, allowed), tf.shape(excluded)[1] - 1)
    is_excluded = tf.gather(excluded, places, batch_dims=1) == allowed
    return tf.where((allowed != before) & ~is_excluded, allowed, -1)


def _checked(k: tf.Tensor, tensors: dict[str, tf.Tensor], queries: tf.Tensor, owner: str) -> tf.Tensor:
    num_empty = (tf.cast(k, tf.int64) - tensors["num_candidates"]) * tf.shape(queries, tf.int64)[0]

    def not_positive() -> tf.Tensor:
        return tf.strings.join([f"{owner}: `k` must be a positive integer. Received: k=", tf.as_string(k), "."])

    def too_large() -> tf.Tensor:
        counts = [
            "there are ",
            tf.as_string(tensors["num_candidates"]),
            " candidates, so that ",
            tf.as_string(num_empty),
        ]
        limit = f" places of the results would be empty; at most {MAX_EMPTY_PLACES} may be. Received: k="
        return tf.strings.join([f"{owner}: ", *counts, limit, tf.as_string(k), ". Use a smaller k."])

    is_positive = check(k > 0, ArgumentError, not_positive)
    with tf.control_dependencies([is_positive, check(num_empty <= MAX_EMPTY_PLACES, ArgumentError, too_large)]):
        return tf.identity(k)
