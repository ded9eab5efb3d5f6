"""The SavedModel that TensorFlow alone loads: from raw features to scores and ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_positive
from reciperec_layers.errors import ArgumentError
from reciperec_layers.files import check_folder_writable, write_folder_beside
from reciperec_layers.graph_errors import check
from reciperec_layers.indexes import mask_places
from reciperec_layers.layers import IdLookup
from reciperec_layers.models.bundle_manifest import BundleManifest, check_replaceable, file_hashes
from reciperec_layers.models.corpus_index import CorpusIndex
from reciperec_layers.models.query_specs import query_specs
from reciperec_layers.version import __version__

if TYPE_CHECKING:
    from reciperec_layers.models.recommender import Recommender

_OWNER = "RetrievalModel.export"


class ServingBundle(tf.Module):
    """Query tower, candidates and their search, as functions of tensors that TensorFlow saves whole.

    Args:
        encode: Maps the columns to query embeddings of shape `(n, dim)`.
        query_tower: The layer whose weights and hash tables `encode` reads.
        columns: Form of each column; its name is that of the argument in a signature.
        candidate_ids: Ids of the candidates, int64 or `str` objects of shape `(num_candidates,)`.
        embeddings: Their embeddings, float32 of shape `(num_candidates, dim)`.
        k: How many candidates `serve` gives.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> tower = IdTower([7], 1, initializer="ones")
        >>> specs = {"user_id": tf.TensorSpec((None,), tf.int64, "user_id")}
        >>> ids, embeddings = np.array([50, 60]), tf.constant([[1.0], [2.0]])
        >>> bundle = ServingBundle(lambda columns: tower(columns["user_id"]), tower, specs, ids, embeddings, k=1)
        >>> bundle.serve({"user_id": tf.constant([7], tf.int64)})["ids"].numpy()
        array([[60]])
    """

    def __init__(
        self,
        encode: Callable[[dict[str, tf.Tensor]], tf.Tensor],
        query_tower: keras.layers.Layer,
        columns: dict[str, tf.TensorSpec],
        candidate_ids: np.ndarray,
        embeddings: tf.Tensor,
        k: int,
    ) -> None:
        super().__init__(name="serving_bundle")
        is_text = candidate_ids.dtype == object
        self._size, self._fill = len(candidate_ids), "" if is_text else -1
        self.query_tower = query_tower
        # A constant would be part of the graph, which ends at 2 GB.
        self.candidates = tf.Variable(tf.transpose(embeddings), trainable=False, name="candidates")
        self.candidate_ids = tf.constant(candidate_ids, tf.string if is_text else tf.int64)
        self.candidate_rows = self._table_of_rows(candidate_ids)

        def serve(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return self._found(self._scores(encode(columns)), k)

        def recommend(columns: dict[str, tf.Tensor], k: tf.Tensor, exclude: tf.Tensor) -> dict[str, tf.Tensor]:
            scores = self._without(self._scores(encode(columns)), exclude)
            with tf.control_dependencies([check(k > 0, ArgumentError, lambda: _k_must_be_positive(k))]):
                return self._found(scores, tf.identity(k))

        of_k = tf.TensorSpec((), tf.int32, "k")
        of_exclude = tf.TensorSpec((None, None), self.candidate_ids.dtype, "exclude")
        self.serve = tf.function(serve, input_signature=[columns], autograph=False)
        self.recommend = tf.function(recommend, input_signature=[columns, of_k, of_exclude], autograph=False)

    def save(self, folder: str | Path) -> None:
        """Writes the SavedModel."""
        signatures = {"serving_default": self.serve, "recommend": self.recommend}
        try:
            tf.saved_model.save(self, str(folder), signatures=signatures)
        except tf.errors.OpError as error:  # how TensorFlow says that a disk is full
            raise OSError(str(error).partition("\n")[0]) from error

    def _table_of_rows(self, ids: np.ndarray) -> tf.lookup.StaticHashTable:
        kept = ids != self._fill  # what fills up `exclude` excludes nothing, even where a candidate has this id
        keys = self.candidate_ids if kept.all() else tf.boolean_mask(self.candidate_ids, kept)
        initializer = tf.lookup.KeyValueTensorInitializer(keys, tf.constant(np.flatnonzero(kept), tf.int64))
        return tf.lookup.StaticHashTable(initializer, default_value=-1)

    def _scores(self, queries: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.cast(queries, tf.float32), self.candidates)

    def _without(self, scores: tf.Tensor, exclude: tf.Tensor) -> tf.Tensor:
        rows = self.candidate_rows.lookup(exclude)
        queries, lists = tf.shape(scores)[0], tf.shape(exclude)[0]

        def text() -> tf.Tensor:
            counts = ["RetrievalModel: `exclude` must have one row for each of ", tf.as_string(queries)]
            return tf.strings.join([*counts, " queries. Received: ", tf.as_string(lists), " rows."])

        with tf.control_dependencies([check(tf.equal(queries, lists), ArgumentError, text)]):
            places = tf.where(rows >= 0)
        return mask_places(scores, tf.stack([places[:, 0], tf.gather_nd(rows, places)], axis=1))

    def _found(self, scores: tf.Tensor, k: Any) -> dict[str, tf.Tensor]:
        is_fixed = isinstance(k, int)
        most = min(k, self._size) if is_fixed else tf.minimum(k, self._size)
        scores, rows = tf.math.top_k(scores, most)
        if not is_fixed or k > most:
            missing = [[0, 0], [0, k - most]]
            scores, rows = tf.pad(scores, missing, constant_values=-float("inf")), tf.pad(rows, missing)
        ids = tf.where(scores > -float("inf"), tf.gather(self.candidate_ids, rows), self._fill)
        return {"scores": scores, "ids": ids}


def export_bundle(
    model: Recommender, index: CorpusIndex, filepath: str | Path, k: int, example: Any, overwrite: bool
) -> None:
    """Writes a model as a folder that TensorFlow alone loads; `RetrievalModel.export` has the arguments.

    Args:
        model: The model.
        index: Its corpus, which is encoded anew.
        filepath: The folder.
        k: How many candidates `serving_default` gives.
        example: A few rows of the columns that the query tower reads, or `None`.
        overwrite: Whether a bundle may be replaced.

    Example:
        >>> import tempfile
        >>> from reciperec_layers import IdTower, RetrievalModel
        >>> towers = IdTower([7], 2, feature="user_id"), IdTower([50], 2, feature="recipe_id")
        >>> model = RetrievalModel(*towers, {"recipe_id": [50]}, "recipe_id")
        >>> folder = Path(tempfile.mkdtemp()) / "bundle"
        >>> model.export(folder)  # calls this
        >>> (folder / "manifest.json").is_file()
        True
    """
    check_positive(_OWNER, "k", k)
    check_folder_writable(filepath, overwrite, check_replaceable)
    specs = query_specs(model.query_tower, model.query_columns, example)
    model.encode_corpus()
    ids = index.corpus.vocabulary.ids
    encode = lambda columns: model(columns, training=False)  # noqa: E731 - as `recommend` does
    bundle = ServingBundle(encode, model.query_tower, specs, ids, index.embeddings, int(k))

    def write(folder: Path) -> None:
        bundle.save(folder)
        manifest = BundleManifest(
            versions={"reciperec_layers": __version__, "keras": keras.__version__, "tensorflow": tf.__version__},
            columns={name: _described(spec) for name, spec in specs.items()},
            candidate_id=index.corpus.id_column,
            candidate_id_dtype=index.corpus.vocabulary.dtype,
            num_candidates=len(index.corpus),
            embedding_dim=model.query_tower.embedding_dim,
            k=int(k),
            fingerprints=_fingerprints(model, index),
            files=file_hashes(folder),
        )
        manifest.write(folder)  # last: a folder without it is no bundle

    write_folder_beside(filepath, write, overwrite, check_replaceable)


def _described(spec: tf.TensorSpec) -> dict[str, Any]:
    return {"argument": spec.name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _fingerprints(model: Recommender, index: CorpusIndex) -> dict[str, Any]:
    lookups = [layer for layer in model.query_tower._flatten_layers() if isinstance(layer, IdLookup)]
    return {
        "corpus": index.corpus.get_config()["fingerprint"],
        "candidate_ids": index.corpus.vocabulary.fingerprint,
        "query_vocabularies": [lookup.vocabulary.fingerprint for lookup in lookups],
    }


def _k_must_be_positive(k: tf.Tensor) -> tf.Tensor:
    return tf.strings.join(["RetrievalModel: `k` must be a positive integer. Received: k=", tf.as_string(k), "."])
