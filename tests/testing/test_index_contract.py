"""Every index keeps the contract, and the contract can be broken."""

from __future__ import annotations

import pytest
import tensorflow as tf

from reciperec_layers import indexes
from reciperec_layers.indexes.exact_search import top_k_of_all
from reciperec_layers.testing import check_index
from tests.indexes.plain_index import PlainIndex


@pytest.mark.parametrize("name", indexes.names())
def test_every_index_keeps_it(name):
    check_index(lambda: indexes.create(name, k=3))


class Forgetful(PlainIndex):
    """Returns what is excluded."""

    def find(self, tensors, queries, k, excluded):
        return super().find(tensors, queries, k, None)


class Worst(PlainIndex):
    """Finds the candidates with the smallest inner products."""

    def find(self, tensors, queries, k, excluded):
        scores, rows = super().find(tensors, -queries, k, excluded)
        return tf.where(rows >= 0, -scores, scores), rows


class Rounded(PlainIndex):
    """Scores are not those of its embeddings."""

    def find(self, tensors, queries, k, excluded):
        scores, rows = super().find(tensors, queries, k, excluded)
        return tf.round(scores + 0.3), rows


class Frozen(PlainIndex):
    """A graph of it has constants."""

    def find(self, tensors, queries, k, excluded):
        return super().find(self.candidates.tensors, queries, k, excluded)


class Unsaved(PlainIndex):
    """Its config lacks k."""

    def get_config(self):
        return {**super().get_config(), "k": object()}


@pytest.mark.parametrize(
    ("broken", "check"),
    [(Forgetful, "exclude"), (Worst, "best"), (Rounded, "scores"), (Frozen, "graph"), (Unsaved, "config")],
)
def test_a_broken_index_fails(broken, check):
    with pytest.raises(AssertionError, match=f"{broken.__name__} fails the check '{check}'"):
        check_index(broken)


class Odd(PlainIndex):
    """Prefers odd rows: what it returns is right, and not the best."""

    def find(self, tensors, queries, k, excluded):
        size = tf.shape(tensors["embeddings"])[0]
        every = top_k_of_all(queries, tensors["embeddings"], size, excluded)
        penalty = tf.where((every[1] >= 0) & (every[1] % 2 == 0), 1e6, 0.0)
        places = tf.math.top_k(every[0] - penalty, k).indices
        return tuple(tf.gather(each, places, batch_dims=1) for each in every)


def test_an_approximate_index_need_not_find_the_best():
    check_index(Odd, exact=False)
    with pytest.raises(AssertionError, match="Odd fails the check 'best'"):
        check_index(Odd)
    with pytest.raises(ValueError, match=r"No check is called \['best'\]"):
        check_index(Odd, exact=False, skip={"best": "it is approximate"})
