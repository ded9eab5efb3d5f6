"""Batches of interactions as a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.batching.epochs import Epochs
from reciperec_layers.batching.gathered_batches import gathered_batches
from reciperec_layers.batching.parquet import Choose, ParquetRows, is_file_data
from reciperec_layers.batching.row_groups import RowGroups
from reciperec_layers.batching.window_batches import window_batches
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read, num_rows, to_tensor, to_tensors
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain

if TYPE_CHECKING:
    pass  # not needed to train, and slow to import


def batches(
    data: Any,
    batch_size: int,
    *,
    columns: Iterable[str] | None = None,
    seed: int | None = None,
    initial_epoch: int = 0,
    shuffle_window: int = 2**20,
    drop_remainder: bool = False,
    by: str | None = None,
) -> tf.data.Dataset:
    """Returns a dataset of batches, each a dict of tensors by column name.

    With a seed the rows are shuffled anew in each epoch; without one they stay in order. Iterations count as epochs
    from `initial_epoch` on, whether they run to the end or not. A shuffled dataset has a method `set_epoch(epoch)`,
    with which `RetrievalModel.fit` sets the next epoch; a dataset derived from it, for example by `map`, only counts.

    The order of an epoch depends only on `random = numpy.random.default_rng([seed, epoch])`, so it is the same in every
    process and after a restart. Rows in memory are read in the order `random.permutation(num_rows)`. Parquet files may
    be larger than memory: their non-empty row groups, numbered in the order of the files, are read in the order
    `random.permutation(num_row_groups)`; the rows are cut into windows of `shuffle_window`, the last of which may be
    smaller; and the rows of each window in turn are read in the order `random.permutation(rows_of_window)`. A row thus
    stays within its window, and a window that holds all rows shuffles them as a whole. If a window holds few row
    groups, rows that are close in a file stay close: use a larger window, or write smaller row groups. Batches may
    span windows.

    With `by`, all rows of an id are in one batch, side by side, and the ids are shuffled: numbered as they occur first,
    they are read in the order `random.permutation(num_ids)`, the rows of each as they are in the data. A loss that
    compares queries with the whole corpus then computes the scores of each once.

    Reading Parquet files takes memory for about four windows (8 bytes per row in addition to its columns) and the
    compressed bytes of one row group; the next window is read while the batches of the current one are used. Files
    must not change while the dataset is in use.

    Args:
        data: Data frame of interactions, at least one row; or a mapping from names to columns of one length, where an
            entry may also be a tensor of any rank; or the path of a Parquet file, of a folder, whose files `*.parquet`
            are taken in the order of their names, or a list of such paths. Parquet files need the extra `parquet`.
        batch_size: Rows of a batch, at least 1; with `by` the ids of a batch.
        columns: Columns to take; by default all but datetimes, durations and, in Parquet files, those that pandas wrote
            as an index. `RetrievalModel.batches` takes those that the model reads.
        seed: Non-negative integer to shuffle, `None` to keep the order.
        initial_epoch: Epoch of the first iteration.
        shuffle_window: Rows of Parquet files within which rows are shuffled, at least 1. Data in memory are always
            shuffled as a whole.
        drop_remainder: Whether the last batch is left out when it has fewer rows.
        by: Column of ids whose rows stay together, such as `"user_id"`; `None` for rows of their own. Data in memory
            only.

    Returns:
        Dataset of dicts. Integers are int64, floats float32, text tf.string; each tensor has shape `(batch, ...)`.
        Its cardinality is known.

    Raises:
        ColumnError: There is no such column, or two have its name.
        IdError: Text or an integer is missing, or an integer does not fit into int64. Where only reading a Parquet
            file shows it, `RetrievalModel.fit` raises it, and a loop over the dataset TensorFlow's
            `InvalidArgumentError` with its text. The same holds for the `ArgumentError` of a file that is gone by then.
        ArgumentTypeError: `data` is none of the above, `columns` is a name instead of a list, or a column cannot become
            a tensor; leave it out with `columns`.
        ArgumentError: No rows, no columns, columns of different lengths, a number out of range, an empty path, a file
            that cannot be read or is not a Parquet file, or files with different columns.
        MissingExtraError: Data are a path, or a frame of another library than pandas, and pyarrow is not installed.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"user_id": [7, 9, 7], "recipe_id": ["soup", "pie", "stew"]})
        >>> for batch in batches(frame, batch_size=2):
        ...     print(batch["user_id"].numpy(), batch["recipe_id"].numpy())
        [7 9] [b'soup' b'pie']
        [7] [b'stew']

        A Parquet file gives the same batches, one window of rows at a time:

        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "interactions.parquet"
        >>> frame.to_parquet(path)
        >>> [batch["user_id"].numpy().tolist() for batch in batches(path, batch_size=2)]
        [[7, 9], [7]]
    """
    if isinstance(columns, (str, bytes)):
        fix = f"Pass a list: columns=[{columns!r}]"
        raise ArgumentTypeError(explain("batches", "`columns` must be a list of names", columns=columns, fix=fix))
    order = (seed, initial_epoch, shuffle_window, drop_remainder, by)
    return make_batches(data, batch_size, columns, *order, "batches")


def make_batches(
    data: Any,
    batch_size: int,
    columns: Iterable[str] | Choose | None,
    seed: int | None,
    initial_epoch: int,
    shuffle_window: int,
    drop_remainder: bool,
    by: str | None,
    owner: str,
    read: Read = to_tensor,
    is_plain: Callable[[str], bool] = lambda name: True,
) -> tf.data.Dataset:
    """Returns what `batches` returns.

    Args:
        data: As for `batches`.
        batch_size: As for `batches`.
        columns: As for `batches`, or a function from the names of all columns to those that are taken.
        seed: As for `batches`.
        initial_epoch: As for `batches`.
        shuffle_window: As for `batches`.
        drop_remainder: As for `batches`.
        by: As for `batches`.
        owner: Name of the caller, for messages.
        read: Converts a column, as for `to_tensors`.
        is_plain: Whether a column of a file is taken as it is, without `read`, which takes longer.

    Example:
        >>> data = {"user_id": [7, 9], "comment": [None, "good"]}
        >>> dataset = make_batches(data, 2, lambda names: names[:1], None, 0, 2**20, False, None, "batches")
        >>> [batch["user_id"].numpy().tolist() for batch in dataset]
        [[7, 9]]
    """
    batch_size = check_integer(owner, "batch_size", batch_size, example=4096)
    shuffle_window = check_integer(owner, "shuffle_window", shuffle_window, example=2**20)
    initial_epoch = check_integer(owner, "initial_epoch", initial_epoch, least=0)
    epochs = None if seed is None else Epochs(seed, initial_epoch, owner)
    if is_file_data(data):
        if by is not None:
            fix = "Read them into a frame, or leave `by` out"
            raise ArgumentError(explain(owner, "rows of files cannot be put together by id", by=by, fix=fix))
        files = ParquetRows(data, columns, owner, lambda name: None if is_plain(name) else read)
        num_batches = _num_batches(files.num_rows, batch_size, drop_remainder, owner)
        dataset = window_batches(files, epochs, shuffle_window, batch_size, drop_remainder)
    else:
        tensors = _tensors(data, columns, owner, read)
        groups = None if by is None else RowGroups(tensors[require_column(tensors, by, owner)], owner, by)
        rows = num_rows(next(iter(tensors.values()))) if groups is None else len(groups)
        num_batches = _num_batches(rows, batch_size, drop_remainder, owner)
        dataset = _in_memory(tensors, rows, groups, epochs, batch_size, drop_remainder)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(tf.data.AUTOTUNE)
    if epochs is not None:
        dataset.set_epoch = epochs.set_epoch
    return dataset


def _num_batches(rows: int, batch_size: int, drop_remainder: bool, owner: str) -> int:
    num_batches = rows // batch_size if drop_remainder else -(-rows // batch_size)
    if not num_batches:
        problem = f"`drop_remainder` leaves no batch of {rows} rows"
        raise ArgumentError(explain(owner, problem, batch_size=batch_size, fix="Use a smaller batch_size"))
    return num_batches


def _tensors(data: Any, columns: Iterable[str] | Choose | None, owner: str, read: Read) -> dict[str, Any]:
    tensors = to_tensors(_select(data, columns, owner), owner, read)
    _refuse_sparse(tensors, owner)
    if not num_rows(next(iter(tensors.values()))):
        raise ArgumentError(explain(owner, "at least one row is needed", data=data, fix="Check how data were read"))
    return tensors


def _in_memory(
    tensors: dict[str, Any],
    rows: int,
    groups: RowGroups | None,
    epochs: Epochs | None,
    batch_size: int,
    drop_remainder: bool,
) -> tf.data.Dataset:
    def rows_at(chosen: tf.Tensor) -> dict[str, Any]:
        chosen = chosen if groups is None else groups.rows(chosen)
        return {name: tf.gather(tensor, chosen) for name, tensor in tensors.items()}

    if epochs is None:
        return gathered_batches(rows_at, tf.range, rows, batch_size, drop_remainder)

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert, which would take a quarter of a second
    def epoch_batches(_: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(lambda: epochs.next().permutation(rows), [], tf.int64)
        order = tf.ensure_shape(order, [rows])
        return gathered_batches(rows_at, lambda start, stop: order[start:stop], rows, batch_size, drop_remainder)

    return tf.data.Dataset.range(1).flat_map(epoch_batches)


def _select(data: Any, columns: Iterable[str] | Choose | None, owner: str) -> dict[str, Any]:
    data = from_arrow(data, owner)
    if not has_named_columns(data):
        problem = "`data` must be a DataFrame, a mapping from names to columns, a path, or a list of paths"
        fix = 'Pass for example {"user_id": [7, 9]}, or the path of a Parquet file'
        raise ArgumentTypeError(explain(owner, problem, data=data, fix=fix))
    every = list(data.keys())
    chosen = every if columns is None else columns(every) if callable(columns) else columns
    names = [require_column(every, name, owner) for name in chosen]
    if columns is None:
        names = [name for name in names if not _is_time(data[name])]
    if not names:
        fix = "Name columns of numbers or text"
        raise ArgumentError(explain(owner, "no columns are left", data=data, columns=columns, fix=fix))
    return {name: data[name] for name in names}


def _is_time(column: Any) -> bool:
    return getattr(getattr(column, "dtype", None), "kind", None) in ("M", "m")


def _refuse_sparse(tensors: dict[str, Any], owner: str) -> None:
    sparse = [name for name, tensor in tensors.items() if isinstance(tensor, tf.SparseTensor)]
    if sparse:
        fix = "Pass a ragged tensor, for example by tf.RaggedTensor.from_sparse"
        raise ArgumentTypeError(explain(owner, f"rows of a sparse tensor cannot be chosen: {sparse}", fix=fix))
