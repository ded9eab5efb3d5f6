"""Vectors by the hash of what they were computed from, in a Parquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reciperec_layers.columns.arrow_modules import import_pyarrow
from reciperec_layers.errors import ModelFileError, describe_error, explain
from reciperec_layers.saving.atomic_files import write_beside

_CONTENT, _VECTOR = "content", "vector"


class VectorCache:
    """A file of vectors, all of one length, each under the hash of a value.

    Args:
        path: The file, which need not be there.
        owner: Name of the caller, for messages.

    Raises:
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> cache = VectorCache(Path(tempfile.mkdtemp()) / "mini.parquet", "encode_once")
        >>> cache.add(["a", "b"], np.eye(2, dtype=np.float32))
        >>> contents, vectors = cache.read()
        >>> contents, vectors.tolist()
        (['a', 'b'], [[1.0, 0.0], [0.0, 1.0]])
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.path = path
        self._owner = owner
        self._pa = import_pyarrow(owner, "Parquet files")
        from pyarrow import parquet

        self._pq = parquet

    def read(self) -> tuple[list[str], np.ndarray]:
        """Returns all hashes and their vectors, float32 of shape `(n, dim)`; of shape `(0, 0)` without a file.

        Raises:
            ModelFileError: The file is damaged, or another one than of this class.
        """
        if not self.path.exists():
            return [], np.zeros((0, 0), np.float32)
        try:
            with self._pq.ParquetFile(self.path) as opened:
                table = opened.read(columns=[_CONTENT, _VECTOR])
            kind = table.schema.field(_VECTOR).type
            contents = table.column(_CONTENT).to_pylist()
            values = [chunk.flatten() for chunk in table.column(_VECTOR).chunks]
            flat = np.concatenate([each.to_numpy(zero_copy_only=False) for each in values])
            vectors = flat.astype(np.float32, copy=False).reshape(len(contents), kind.list_size)
            if not all(isinstance(each, str) for each in contents) or not np.isfinite(vectors).all():
                raise ValueError("it has empty or infinite values")
        except (self._pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
            problem = f"the cached vectors cannot be read ({describe_error(error)})"
            fix = "Delete the file, so that its vectors are computed again"
            raise ModelFileError(explain(self._owner, problem, path=self.path, fix=fix)) from error
        return contents, vectors

    def add(self, contents: list[str], vectors: np.ndarray) -> None:
        """Writes vectors to those of the file, which is whole at any time.

        Args:
            contents: Hashes, none of them twice.
            vectors: float32 of shape `(len(contents), dim)`.

        Raises:
            ModelFileError: As for `read`.
            OutputError: The file cannot be written.
        """
        before, old = self.read()  # another process may have written since
        new = set(contents)
        kept = [row for row, content in enumerate(before) if content not in new]
        if kept and old.shape[1] == vectors.shape[1]:
            contents = [*(before[row] for row in kept), *contents]
            vectors = np.concatenate([old[kept], vectors])
        flat = self._pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
        column = self._pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        table = self._pa.table({_CONTENT: self._pa.array(contents, self._pa.string()), _VECTOR: column})
        write_beside(self.path, lambda beside: self._pq.write_table(table, beside))
