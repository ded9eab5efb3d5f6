"""Rows shuffled within windows, of which one is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from reciperec_layers.batching.parquet import ParquetRows

# Without shuffling, the order is that of the files for windows of any size.
_ROWS_IN_ORDER = 1 << 17


class Windows(Iterator[tuple[np.ndarray, Any]]):
    """One epoch of rows as pairs `(order, table)`: the i-th row is row `order[i]` of the table.

    Rows that do not fill a batch are carried over to the start of the next pair, so all pairs but the last consist of
    whole batches.

    Args:
        rows: The files.
        random: Random numbers of the epoch, `None` for the order of the files.
        window: Rows within which rows are shuffled.
        batch_size: Rows of a batch.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pandas as pd
        >>> path = Path(tempfile.mkdtemp()) / "interactions.parquet"
        >>> pd.DataFrame({"row": range(5)}).to_parquet(path)
        >>> rows = ParquetRows(path, None, "batches")
        >>> for order, table in Windows(rows, np.random.default_rng(0), window=4, batch_size=3):
        ...     print(table.take(order)["row"].to_pylist())
        [2, 0, 1]
        [3, 4]
    """

    def __init__(self, rows: ParquetRows, random: np.random.Generator | None, window: int, batch_size: int) -> None:
        import pyarrow  # ParquetRows needs it already

        self._pa = pyarrow
        self._random, self._batch_size = random, batch_size
        self._window = _ROWS_IN_ORDER if random is None else window
        num_groups = len(rows.group_rows)
        self._pieces = rows.read(range(num_groups) if random is None else random.permutation(num_groups))
        self._unread = rows.num_rows
        self._kept = rows.schema.empty_table()  # rows already read for the next pair, in order
        self._piece = rows.schema.empty_table()  # rows already read that are not yet in a window

    # Only the rows carried over outlive a call, so that one window is in memory while another is read.
    def __next__(self) -> tuple[np.ndarray, Any]:
        if not self._unread:
            raise StopIteration
        kept = self._kept.num_rows
        tables, orders = [self._kept], [np.arange(kept)]
        whole = 0
        while not whole and self._unread:
            size = min(self._window, self._unread)
            tables += self._take(size)
            orders.append(kept + (np.arange(size) if self._random is None else self._random.permutation(size)))
            kept += size
            whole = kept // self._batch_size * self._batch_size
        order = np.concatenate(orders)
        table = self._pa.concat_tables(tables)
        cut = whole if self._unread else kept
        self._kept = table.take(order[cut:])
        return order[:cut], table

    def _take(self, size: int) -> Iterator[Any]:
        """Yields the next rows, in the order of the files."""
        self._unread -= size
        while size:
            if not self._piece.num_rows:
                self._piece = self._pa.Table.from_batches([next(self._pieces)])
            piece, self._piece = self._piece[:size], self._piece[size:]
            size -= piece.num_rows
            yield piece
