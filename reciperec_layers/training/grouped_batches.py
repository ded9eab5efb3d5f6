"""Batches in groups, so that several steps of one execution fetch data once."""

from __future__ import annotations

from typing import Any, Self

import tensorflow as tf

# Of which one is in use and one or two are being made: less than the memory of a small model.
_LARGEST_GROUP = 2**24


def in_groups(x: Any, batches_per_group: int) -> Any:
    """Returns a dataset that `over_batches` reads in groups, or `x` itself where that is impossible or useless.

    Taking a batch out of an iterator inside of a graph takes as long as a step with 80 rows. Groups need batches of
    one size that the dataset knows, dense tensors, and at most 16 MB together.

    Args:
        x: What `fit` takes.
        batches_per_group: >= 1; of each group but the last.

    Example:
        >>> batches = tf.data.Dataset.range(6).batch(2, drop_remainder=True)
        >>> [group.numpy().tolist() for group in in_groups(batches, 2)]
        [[[0, 1], [2, 3]], [[4, 5]]]
        >>> in_groups(batches, 1) is batches
        True
    """
    if batches_per_group == 1 or not isinstance(x, tf.data.Dataset):
        return x
    specs = tf.nest.flatten(x.element_spec)
    if not all(isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined() for spec in specs):
        return x
    size = sum(spec.shape.num_elements() * spec.dtype.size for spec in specs)
    return GroupedBatches(x, batches_per_group) if size * batches_per_group <= _LARGEST_GROUP else x


class GroupedBatches(tf.data.Dataset):
    """A dataset that looks like batches to Keras and iterates over groups of them.

    Args:
        batches: Dataset of batches of one size.
        batches_per_group: As for `in_groups`.

    Example:
        >>> grouped = GroupedBatches(tf.data.Dataset.range(3), 2)
        >>> int(grouped.cardinality()), [group.numpy().tolist() for group in grouped]
        (3, [[0, 1], [2]])
    """

    def __init__(self, batches: tf.data.Dataset, batches_per_group: int) -> None:
        self._batches = batches
        self._groups = batches.batch(batches_per_group).prefetch(4)
        super().__init__(tf.data.experimental.to_variant(batches))

    @property
    def element_spec(self) -> Any:
        return self._batches.element_spec

    def __iter__(self) -> Any:
        return GroupedIterator(iter(self._groups))

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._batches]


class GroupedIterator:
    """Gives groups of batches, each component with one more axis in front.

    Args:
        groups: Iterator over the groups.

    Example:
        >>> next(GroupedIterator(iter([[1, 2], [3]])))
        [1, 2]
    """

    def __init__(self, groups: Any) -> None:
        self._groups = groups

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._groups)
