"""migrate: models that TensorFlow Recommenders trained on Keras 2, as models of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ModelFileError, describe_ids, explain
from reciperec_layers.models import RetrievalModel
from reciperec_layers.towers import IdTower
from reciperec_layers.towers.layer_tower import LayerTower

_OWNER = "migrate"
_LOOKUPS = ("IntegerLookup", "StringLookup")
# Arguments of Keras 2 that its layers have lost.
_LOST = ("batch_input_shape", "input_length")


def migrate(
    model: Any,
    *,
    query_tower: Any = None,
    candidate_tower: Any = None,
    query_id: str = "user_id",
    candidate_id: str = "item_id",
    candidates: Any = None,
) -> RetrievalModel:
    """Returns a `RetrievalModel` with the vocabularies and weights of a model of TensorFlow Recommenders.

    The model is one that lives in this process, on Keras 2, which takes `TF_USE_LEGACY_KERAS=1` before TensorFlow is
    imported; its towers are `Sequential` models of a lookup, an embedding and any layers of Keras after them. Or it is
    a checkpoint of `save_weights`, in which there are no ids: pass an `IdTower` for each side, whose vocabulary has the
    order of that of the lookup, such as what `np.unique` gave.

    Args:
        model: A model, or the path of a checkpoint.
        query_tower: Name of the attribute that is the query tower; by default the first of two attributes that begin
            with a lookup. Of a checkpoint: an `IdTower` with a `feature`.
        candidate_tower: The same of the candidates.
        query_id: Column of query ids; of a checkpoint that of the tower.
        candidate_id: Column of candidate ids; of a checkpoint that of the tower.
        candidates: All candidates, a frame or a dict with the column of ids; by default those of the lookup.

    Returns:
        A model with equal embeddings and recommendations, not compiled.

    Raises:
        ArgumentError: Which attributes are towers is not known, or one of them has other layers.
        ModelFileError: The checkpoint cannot be read, or has other towers.

    Example:
        >>> import tempfile
        >>> module = tf.Module()
        >>> module.user_model, module.movie_model = tf.Module(), tf.Module()
        >>> module.user_model.embeddings = tf.Variable([[0.0], [1.0], [2.0]])
        >>> module.movie_model.embeddings = tf.Variable([[0.0], [3.0], [5.0], [4.0]])
        >>> path = tf.train.Checkpoint(module).write(tempfile.mkdtemp() + "/weights")
        >>> towers = IdTower(["ann", "bob"], 1, feature="user"), IdTower([7, 8, 9], 1, feature="movie")
        >>> model = migrate(path, query_tower=towers[0], candidate_tower=towers[1])
        >>> model.recommend({"user": ["bob"]}, k=2)[1].tolist()
        [[8, 9]]
    """
    if isinstance(model, (str, Path)):
        towers = _from_checkpoint(model, query_tower, candidate_tower)
    else:
        towers = _from_model(model, query_tower, candidate_tower, query_id, candidate_id)
    (query, candidate), ids = towers, _ids_of(towers[1])
    name = candidate.features[0]
    return RetrievalModel(
        query, candidate, candidates={name: ids} if candidates is None else candidates, candidate_id=name
    )


def _from_model(model: Any, query: Any, candidate: Any, query_id: str, candidate_id: str) -> tuple[Any, Any]:
    if query is None or candidate is None:
        names = [name for name, value in vars(model).items() if not name.startswith("_") and _begins_with_lookup(value)]
        if len(names) != 2:
            found = f"the model has {len(names)} attributes that begin with a lookup: {describe_ids(names)}"
            fix = 'Name the towers, as query_tower="user_model", candidate_tower="movie_model"'
            raise ArgumentError(explain(_OWNER, found, fix=fix))
        query, candidate = query or names[0], candidate or names[1]
    return tuple(
        _tower(getattr(model, name, None), name, column)
        for name, column in ((query, query_id), (candidate, candidate_id))
    )


def _begins_with_lookup(value: Any) -> bool:
    layers: Any = getattr(value, "layers", None) or ()
    return bool(layers) and type(layers[0]).__name__ in _LOOKUPS


def _tower(layer: Any, name: str, column: str) -> Any:
    """Returns the tower that does what a sequential model of Keras 2 does."""
    ids: Any
    if not _begins_with_lookup(layer) or len(layer.layers) < 2 or type(layer.layers[1]).__name__ != "Embedding":
        problem = f"{name!r} must be a Sequential of a StringLookup or IntegerLookup, an Embedding, and further layers"
        fix = "Make the tower anew with this package, and set its weights"
        raise ArgumentError(explain(_OWNER, problem, received=layer, fix=fix))
    lookup, embedding, *others = layer.layers
    ids, rows = _ids_and_rows(lookup, np.asarray(embedding.get_weights()[0]), name)
    tower = IdTower(ids, rows.shape[1], feature=column)
    tower.embedding_table.set_weights([rows])
    if not others:
        return tower
    made = keras.Sequential([tower, *(_layer(other, name) for other in others)])
    embeddings = made(tf.constant(ids[:1]))
    for new, old in zip(made.layers[1:], others, strict=True):
        new.set_weights(old.get_weights())
    return LayerTower(made, [column], int(embeddings.shape[-1]))


def _ids_and_rows(lookup: Any, table: np.ndarray, name: str) -> tuple[Any, np.ndarray]:
    """Returns the ids, and the rows of the table: that of unknown ids first, then theirs."""
    config = lookup.get_config()
    if config.get("num_oov_indices", 1) != 1 or config.get("output_mode", "int") != "int":
        problem = f"the lookup of {name!r} has several rows for unknown ids, or gives no rows"
        fix = "Make the tower anew: unknown ids are hashed in another way here"
        raise ArgumentError(explain(_OWNER, problem, num_oov_indices=config.get("num_oov_indices"), fix=fix))
    ids = list(lookup.get_vocabulary(include_special_tokens=False))
    mask = config.get("mask_token")
    if mask is not None:  # its row is the first of the table, before that of unknown ids
        ids, table = [mask, *ids], np.concatenate([table[1:2], table[:1], table[2:]])
    if len(table) < len(ids) + 1:
        problem = f"the table of {name!r} has {len(table)} rows for {len(ids)} ids"
        raise ArgumentError(explain(_OWNER, problem, fix="Check that lookup and embedding belong together"))
    is_text = isinstance(ids[0], (str, bytes)) if ids else True
    return (np.array(ids, object) if is_text else np.array(ids, np.int64)), table[: len(ids) + 1]


def _layer(old: Any, name: str) -> keras.layers.Layer:
    kind = type(old).__name__
    made = getattr(keras.layers, kind, None)
    if made is None:
        fix = "Make the tower anew with this package, and set its weights"
        raise ArgumentError(explain(_OWNER, f"Keras 3 has no layer {kind!r}, which is in {name!r}", fix=fix))
    config = {key: value for key, value in old.get_config().items() if key not in _LOST and key != "dtype"}
    return made.from_config(config)


def _ids_of(tower: Any) -> np.ndarray:
    tower = tower.layer.layers[0] if isinstance(tower, LayerTower) else tower
    return tower.vocabulary.ids


def _from_checkpoint(path: str | Path, query: Any, candidate: Any) -> tuple[IdTower, IdTower]:
    for name, tower in (("query_tower", query), ("candidate_tower", candidate)):
        if not isinstance(tower, IdTower) or not tower.features:
            problem = f"a checkpoint has no ids: `{name}` must be an IdTower with a feature"
            fix = 'Pass for example IdTower(np.unique(user_ids), 32, feature="user_id")'
            raise ArgumentError(explain(_OWNER, problem, fix=fix, **{name: tower}))
    tables = tables_of_checkpoint(path)
    chosen = [_table_of(tower, tables, path) for tower in (query, candidate)]
    if chosen[0] == chosen[1]:
        names = [name for name, table in tables.items() if table.shape == tables[chosen[0]].shape]
        problem = f"both towers have the size of {describe_ids(names)}"
        fix = "Load the checkpoint into the model of Keras 2 that wrote it, and pass that"
        raise ArgumentError(explain(_OWNER, problem, filepath=Path(path), fix=fix))
    for tower, name in zip((query, candidate), chosen, strict=True):
        tower.embedding_table.set_weights([tables[name]])
    return query, candidate


def tables_of_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the embedding tables in a checkpoint of TensorFlow, arrays of two axes by name, without optimizer slots.

    Args:
        path: What `save_weights` was given.

    Raises:
        ModelFileError: There is no checkpoint, or it cannot be read.

    Example:
        >>> import tempfile
        >>> module = tf.Module()
        >>> module.embeddings = tf.Variable([[1.0], [2.0]])
        >>> path = tf.train.Checkpoint(module).write(tempfile.mkdtemp() + "/weights")
        >>> {name: table.shape for name, table in tables_of_checkpoint(path).items()}
        {'embeddings': (2, 1)}
    """
    try:
        reader = tf.train.load_checkpoint(str(path))
        shapes = reader.get_variable_to_shape_map()
        end = "/.ATTRIBUTES/VARIABLE_VALUE"
        names = [name for name in shapes if name.endswith(f"embeddings{end}") and len(shapes[name]) == 2]
        return {name.removesuffix(end): reader.get_tensor(name) for name in sorted(names)}
    except (tf.errors.OpError, ValueError, OSError) as error:
        problem = "there is no checkpoint of TensorFlow that can be read"
        fix = "Pass the path that save_weights was given, without .index"
        raise ModelFileError(explain(_OWNER, problem, filepath=Path(path), fix=fix)) from error


def _table_of(tower: IdTower, tables: dict[str, np.ndarray], path: str | Path) -> str:
    shape = tower.embedding_table.weights[0].shape
    fitting = [name for name, table in tables.items() if table.shape == tuple(shape)]
    if not fitting:
        sizes = ", ".join(f"{name} {table.shape}" for name, table in tables.items()) or "no table"
        problem = f"the checkpoint is of other towers: {tower.features[0]!r} has {tuple(shape)}, and it has {sizes}"
        fix = "Pass towers with the vocabulary and the size that were trained"
        raise ModelFileError(explain(_OWNER, problem, filepath=Path(path), fix=fix))
    return fitting[0]
