"""Contract suite for indexes, run by one line of a test."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from reciperec_layers.indexes import INDEXES, Index, load_index
from reciperec_layers.testing.contract import run_checks

_NUM_CANDIDATES, _DIM, _K = 300, 4, 7


def check_index(make: Callable[[], Index], *, exact: bool = True, skip: Mapping[str, str] | None = None) -> None:
    """Checks that an index fulfils the contract of indexes.

    The checks, by name:

    - `config`: the config is JSON, and an object created from it has an equal config.
    - `best`: with `exact`, the k best are found, with ties in candidate order.
    - `scores`: scores are inner products with `Index.embeddings`, best first, and no candidate occurs twice.
    - `exclude`: excluded candidates are never returned; if fewer than k are left, the rest is padded.
    - `allow`: the best of the allowed candidates are found.
    - `changes`: appended candidates are found, removed ones are not.
    - `graph`: a Keras model finds the same, even after other candidates are assigned.
    - `files`: loaded from a `.keras` file and, if the class is registered, from its own file, it finds the same.

    Args:
        make: Returns a new index without candidates.
        exact: Whether the index always finds exactly the k best.
        skip: Checks that do not apply, by name, each with its reason.

    Raises:
        AssertionError: A check fails; names the class and the check.
        ValueError: `skip` names an unknown check.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> check_index(BruteForceIndex)
    """
    checks: dict[str, Callable[[], object]] = {
        "config": lambda: _check_config(make),
        "best": lambda: _check_best(make),
        "scores": lambda: _check_scores(make),
        "exclude": lambda: _check_exclude(make),
        "allow": lambda: _check_allow(make),
        "changes": lambda: _check_changes(make),
        "graph": lambda: _check_graph(make),
        "files": lambda: _check_files(make),
    }
    if not exact:
        del checks["best"]
    run_checks(checks, make, skip)


def _candidates(seed: int = 0, size: int = _NUM_CANDIDATES) -> np.ndarray:
    """Returns whole numbers, so that scores are exact and ties occur."""
    return np.random.default_rng(seed).integers(-4, 5, (size, _DIM)).astype(np.float32)


def _queries() -> np.ndarray:
    return np.random.default_rng(1).integers(-3, 4, (6, _DIM)).astype(np.float32) + 0.5


def _filled(make: Callable[[], Index]) -> Index:
    index = make()
    index.assign(_candidates(), np.arange(_NUM_CANDIDATES))
    return index


def _check_config(make: Callable[[], Index]) -> None:
    config = make().get_config()
    assert json.loads(json.dumps(config)) == config, "the config is not JSON"
    again = type(make()).from_config(config).get_config()
    assert again == config, f"from_config(get_config()) has a different config: {again} instead of {config}"


def _check_best(make: Callable[[], Index]) -> None:
    scores = _queries() @ _candidates().T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :_K]
    np.testing.assert_array_equal(_filled(make).search(_queries(), _K)[1], expected)


def _check_scores(make: Callable[[], Index]) -> None:
    index = _filled(make)
    scores, ids = index.search(_queries(), _K)
    expected = np.einsum("qkd,qd->qk", index.embeddings.numpy()[ids], _queries())
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all(), "scores are not in descending order"
    assert all(len(set(row)) == _K for row in ids.tolist()), "a candidate occurs twice"


def _check_exclude(make: Callable[[], Index]) -> None:
    index, left = _filled(make), [3, 141, 59]
    rest = np.setdiff1d(np.arange(_NUM_CANDIDATES), left).tolist()
    scores, ids = index.search(_queries(), _K, exclude=[rest] * 5 + [[]])
    assert [sorted(row) for row in ids[:5, :3].tolist()] == [sorted(left)] * 5, "a remaining candidate was not found"
    assert (ids[:5, 3:] == -1).all(), "empty places have an id"
    assert (scores[:5, 3:] == -np.inf).all(), "empty places have a score"
    assert np.isfinite(scores[5]).all(), "a query is affected by the exclusions of others"


def _check_allow(make: Callable[[], Index]) -> None:
    index, allowed = _filled(make), np.array([3, 59, 141, 200])
    ids = index.search(_queries(), 2, allow=allowed.tolist(), exclude=[[59]] * 6)[1]
    kept = np.array([3, 141, 200])
    of_kept = _queries() @ index.embeddings.numpy()[kept].T
    np.testing.assert_array_equal(ids, kept[np.argsort(-of_kept, axis=1, kind="stable")[:, :2]])


def _check_changes(make: Callable[[], Index]) -> None:
    index = _filled(make)
    index.append(100 * _queries(), [1000 + row for row in range(6)])
    found = index.search(_queries(), 6, exclude=[list(range(_NUM_CANDIDATES))] * 6)[1]
    assert (np.sort(found, axis=1) == 1000 + np.arange(6)).all(), "appended candidates are not found"
    index.remove([1000, 0])
    found = index.search(_queries(), _NUM_CANDIDATES + 4)[1]
    assert not np.isin(found, [1000, 0]).any(), "a removed candidate is found"
    assert index.num_candidates == _NUM_CANDIDATES + 4, "num_candidates is not the number of candidates"


def _check_graph(make: Callable[[], Index]) -> None:
    index = _filled(make)
    model = _in_model(index)
    _same(model.predict(_queries(), verbose=0), index.search(_queries(), _K))
    index.assign(_candidates(seed=2, size=50))
    _same(model.predict(_queries(), verbose=0), index.search(_queries(), _K))


def _check_files(make: Callable[[], Index]) -> None:
    index = _filled(make)
    expected = index.search(_queries(), _K)
    with tempfile.TemporaryDirectory() as folder:
        _in_model(index).save(Path(folder) / "model.keras")
        loaded = keras.models.load_model(
            Path(folder) / "model.keras", custom_objects={type(index).__name__: type(index)}
        )
        _same(loaded.predict(_queries(), verbose=0), expected)
        if INDEXES.name_of(type(index)) is not None:
            index.save(Path(folder) / "alone.index")
            _same(load_index(Path(folder) / "alone.index").search(_queries(), _K), expected)


def _in_model(index: Index) -> keras.Model:
    queries = keras.Input((_DIM,))
    return keras.Model(queries, index(queries, k=_K))


def _same(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_array_equal(found[1], expected[1])
