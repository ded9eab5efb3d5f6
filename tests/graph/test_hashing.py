"""Buckets of OOV ids: those of the published hash, evenly spread, the same everywhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.graph.hashing import hash_buckets
from reciperec_layers.testing import int64_ids, text_ids

IN_ANOTHER_PROCESS = """
import json
import tensorflow as tf
from reciperec_layers.graph.hashing import hash_buckets
ints, texts = json.loads({ids!r})
buckets = [hash_buckets(tf.constant(ints, tf.int64), 97), hash_buckets(tf.constant(texts), 97)]
print(json.dumps([each.numpy().tolist() for each in buckets]))
"""


def splitmix64(number: int) -> int:
    """One step of SplitMix64 from a seed, as in the reference code in C by Vigna."""
    mask = 2**64 - 1
    mixed = (number + 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


def test_the_oracle_is_splitmix64():
    # First numbers from the seed 1234567, as published with the reference code.
    gamma, seed = 0x9E3779B97F4A7C15, 1234567
    assert [splitmix64((seed + step * gamma) % 2**64) for step in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(st.lists(int64_ids(), min_size=1, max_size=8), st.integers(1, 2**40))
def test_integers_are_hashed_by_splitmix64(ids: list[int], num_buckets: int):
    buckets = hash_buckets(tf.constant(ids, tf.int64), num_buckets).numpy()
    assert buckets.tolist() == [(splitmix64(item % 2**64) >> 1) % num_buckets for item in ids]


@given(st.lists(text_ids(), min_size=1, max_size=8), st.integers(1, 100))
def test_text_has_one_bucket_in_range(ids: list[str], num_buckets: int):
    buckets = hash_buckets(tf.constant(ids), num_buckets).numpy()
    assert ((buckets >= 0) & (buckets < num_buckets)).all()
    assert buckets.tolist() == [int(hash_buckets(tf.constant(item), num_buckets)) for item in ids]


@pytest.mark.parametrize("num_buckets", [2, 3, 10, 64])
@pytest.mark.parametrize(
    "ids",
    [
        np.arange(20_000),
        np.arange(20_000) * 2**32,
        -np.arange(20_000) * 64,
        np.arange(20_000).astype(str).astype(object),
    ],
    ids=["consecutive", "high bits", "negative multiples", "text"],
)
def test_buckets_are_even(ids: np.ndarray, num_buckets: int):
    counts = np.bincount(hash_buckets(tf.convert_to_tensor(ids), num_buckets).numpy(), minlength=num_buckets)
    expected = len(ids) / num_buckets
    chi_square = ((counts - expected) ** 2 / expected).sum()
    degrees = num_buckets - 1
    assert chi_square < degrees + 5 * np.sqrt(2 * degrees)


def test_another_process_finds_the_same_buckets(run_python: Callable[..., str]):
    ints, texts = [0, 7, -1, 2**63 - 1, -(2**63)], ["", "a", "é\u2028", "r_17"]
    printed = run_python(
        IN_ANOTHER_PROCESS.format(ids=json.dumps([ints, texts])),
        PYTHONHASHSEED="5",
        PYTHONPATH=os.pathsep.join(sys.path),
    )
    here = [hash_buckets(tf.constant(ints, tf.int64), 97), hash_buckets(tf.constant(texts), 97)]
    assert json.loads(printed) == [each.numpy().tolist() for each in here]
