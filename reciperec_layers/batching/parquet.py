"""Rows of Parquet files, read row group by row group."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from reciperec_layers.batching.tensor_arrays import arrow_of_tensor
from reciperec_layers.columns.arrow_modules import import_pyarrow
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import way_to_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError, describe_ids, explain

FilePath = str | os.PathLike[str]
Choose = Callable[[Sequence[str]], Iterable[str]]
# From the name of a column to what reads it, or `None` for one that is taken as it is in the files.
ReadOf = Callable[[str], Read | None]

# Each piece of a categorical column carries all its categories; larger pieces fall out of the processor's cache.
_ROWS_OF_A_PIECE = 1 << 17
# Of files that pandas reads.
_TEXT_SUFFIXES = (".csv", ".tsv")
_FIX_MISSING = "Write the files without these rows, for example after DataFrame.dropna"


def is_file_data(data: Any) -> TypeGuard[FilePath | Sequence[FilePath]]:
    """Returns whether data are a path, or a list or tuple of paths.

    Example:
        >>> is_file_data("interactions.parquet"), is_file_data(["a.parquet", Path("b.parquet")]), is_file_data([1])
        (True, True, False)
    """
    paths = data if isinstance(data, (list, tuple)) and data else [data]
    return all(isinstance(path, (str, os.PathLike)) for path in paths)


class ParquetRows:
    """The contents of Parquet files, described by their footers, and read one piece at a time.

    `num_rows` counts the rows of all files, `group_rows` (int64) those of each non-empty row group in the order of the
    files, and `schema` is the Arrow schema of the record batches that `read` yields.

    Args:
        data: A file, a folder, whose files `*.parquet` are taken in the order of their names, or a list of both.
        columns: Columns to read, or a function that chooses them from those of the first file; by default all but
            datetimes, durations and those that pandas wrote as an index.
        owner: Name of the caller, for messages.
        read_of: What reads a column, pandas columns of some rows of which it gets; by default none is read. The schema
            is then that of what it returns, as `arrow_of_tensor`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ColumnError: There is no such column, or two have its name.
        IdError: Text, an integer or a boolean is missing, as far as the footers tell.
        ArgumentTypeError: A column cannot become a tensor.
        ArgumentError: A path is empty, a file cannot be read or is not a Parquet file, columns differ among files, or
            there are no rows or no columns.

    Example:
        >>> import tempfile
        >>> import pandas as pd
        >>> path = Path(tempfile.mkdtemp()) / "interactions.parquet"
        >>> pd.DataFrame({"user_id": [7, 9, 7]}).to_parquet(path, row_group_size=2)
        >>> rows = ParquetRows(path, None, "batches")
        >>> [piece["user_id"].to_pylist() for piece in rows.read([1, 0])]
        [[7], [7, 9]]
    """

    def __init__(
        self,
        data: FilePath | Sequence[FilePath],
        columns: Iterable[str] | Choose | None,
        owner: str,
        read_of: ReadOf = lambda name: None,
    ) -> None:
        self._owner = owner
        self._paths = _files(data, owner)
        self._pa = import_pyarrow(owner, "Parquet files")
        from pyarrow import parquet

        self._pq = parquet
        footers = [self._footer(path) for path in self._paths]
        self._metadata = [metadata for metadata, _ in footers]
        schemas = [schema for _, schema in footers]
        if columns is None:
            names = self._default_names(schemas)
        else:
            names = list(columns(schemas[0].names) if callable(columns) else columns)
        if not names:
            fix = "Name columns of numbers or text"
            raise ArgumentError(explain(owner, "no columns are left", columns=columns, path=self._paths[0], fix=fix))
        self._reads = {name: read for name in names if (read := read_of(name)) is not None}
        self.schema = self._common_schema(names, schemas)
        groups = [
            (file, group, metadata.row_group(group).num_rows)
            for file, metadata in enumerate(self._metadata)
            for group in range(metadata.num_row_groups)
        ]
        self._groups = [(file, group) for file, group, rows in groups if rows]
        self.group_rows = np.array([rows for *_, rows in groups if rows], dtype=np.int64)
        self.num_rows = int(self.group_rows.sum())
        if not self.num_rows:
            fix = "Check how the files were written"
            raise ArgumentError(explain(owner, "at least one row is needed", path=self._paths[0], fix=fix))
        self._refuse_missing_in_footers()

    def read(self, groups: Iterable[int]) -> Iterator[Any]:
        """Yields Arrow record batches of the row groups, by their numbers in `group_rows`, in the order given.

        A file is open only while a group of it is read, and closed when the iterator is.

        Raises:
            IdError: Text, an integer or a boolean is missing, an integer does not fit into int64, or text is not
                valid UTF-8.
            ArgumentError: A file cannot be read any more.
        """
        for number in groups:
            file, group = self._groups[number]
            path = self._paths[file]
            try:
                with self._pq.ParquetFile(path, metadata=self._metadata[file]) as opened:
                    pieces = opened.iter_batches(_ROWS_OF_A_PIECE, row_groups=[group], columns=self.schema.names)
                    for piece in pieces:
                        yield self._as_tensors_need(piece, path)
            except (self._pa.ArrowException, OSError) as error:
                problem = f"row group {group} cannot be read ({_reason(error)})"
                fix = "Check whether the file has changed since its footer was read"
                raise ArgumentError(explain(self._owner, problem, path=path, fix=fix)) from error

    def _footer(self, path: Path) -> tuple[Any, Any]:
        try:
            with self._pq.ParquetFile(path) as opened:
                return opened.metadata, opened.schema_arrow
        except OSError as error:
            problem = f"the file cannot be read ({_reason(error)})"
            raise ArgumentError(explain(self._owner, problem, path=path, fix="Check the path")) from error
        except self._pa.ArrowException as error:
            problem = f"this is not a Parquet file ({_reason(error)})"
            fix = "Pass Parquet files, for example from DataFrame.to_parquet"
            raise ArgumentError(explain(self._owner, problem, path=path, fix=fix)) from error

    def _default_names(self, schemas: list[Any]) -> list[str]:
        names = [self._names_of_data(schema) for schema in schemas]
        for path, others in zip(self._paths, names, strict=True):
            if set(others) != set(names[0]):
                differing = describe_ids(sorted(set(others) ^ set(names[0])))
                problem = f"files have different columns: {differing} is not in both"
                fix = "Name the columns to read by `columns`"
                raise ArgumentError(explain(self._owner, problem, first=self._paths[0], other=path, fix=fix))
        return names[0]

    def _names_of_data(self, schema: Any) -> list[str]:
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        types = self._pa.types
        is_time = {field.name for field in schema if types.is_timestamp(field.type) or types.is_duration(field.type)}
        return [name for name in schema.names if name not in index and name not in is_time]

    def _common_schema(self, names: list[str], schemas: list[Any]) -> Any:
        fields = []
        for name in names:
            kinds = []
            for path, schema in zip(self._paths, schemas, strict=True):
                require_column(schema.names, name, f"{self._owner}: {path.name}")
                kind = schema.field(name).type
                kinds.append(self._kind_read(name, kind) if name in self._reads else self._kind(name, kind))
            other = next((at for at, kind in enumerate(kinds) if kind != kinds[0]), None)
            if other is not None:
                types = [f"{schemas[at].field(name).type} in {self._paths[at].name}" for at in (0, other)]
                problem = f"column {name!r} differs among files: {', '.join(types)}"
                raise ArgumentError(explain(self._owner, problem, fix="Write all files with one type of the column"))
            fields.append(self._pa.field(name, kinds[0]))
        return self._pa.schema(fields)

    def _kind_read(self, name: str, kind: Any) -> Any:
        """Returns the Arrow type of a column after it was read."""
        return self._read(name, self._pa.array([], kind)).type

    def _read(self, name: str, column: Any) -> Any:
        values = from_arrow(column, self._owner, name)
        return arrow_of_tensor(self._reads[name](values, self._owner, name), self._owner, name)

    def _kind(self, name: str, kind: Any) -> Any:
        """Returns the Arrow type that a column is read as: int64, float32, bool or large_string."""
        pa, types = self._pa, self._pa.types
        if types.is_dictionary(kind):
            return self._kind(name, kind.value_type)
        if types.is_integer(kind):
            return pa.int64()
        if types.is_floating(kind):
            return pa.float32()
        if types.is_boolean(kind):
            return pa.bool_()
        text = (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary, types.is_null),
        )
        if any(is_of_kind(kind) for is_of_kind in text):
            return pa.large_string()
        where = f"{self._owner}: column {name!r}"
        fix = "Write it as numbers or text, or leave it out by `columns`"
        raise ArgumentTypeError(explain(where, f"{kind} cannot become a tensor", fix=fix))

    def _refuse_missing_in_footers(self) -> None:
        for field in self.schema:
            if self._pa.types.is_floating(field.type) or field.name in self._reads:
                continue
            missing = sum(_missing(metadata, field.name) for metadata in self._metadata)
            if missing:
                problem = f"{missing} of {self.num_rows} values are missing"
                raise IdError(explain(f"{self._owner}: column {field.name!r}", problem, fix=_FIX_MISSING))

    def _as_tensors_need(self, piece: Any, path: Path) -> Any:
        columns = [self._column(piece, field, path) for field in self.schema]
        return self._pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, piece: Any, field: Any, path: Path) -> Any:
        column = piece.column(field.name)
        if field.name in self._reads:
            return self._read(field.name, column)
        where = f"{self._owner}: column {field.name!r}"
        if column.null_count and not self._pa.types.is_floating(field.type):
            problem = f"{column.null_count} of {len(column)} values of a part of the file are missing"
            raise IdError(explain(where, problem, path=path, fix=_FIX_MISSING))
        try:
            converted = column.cast(field.type)
            converted.validate(full=True)
        except self._pa.ArrowInvalid as error:
            fix = "Integers must fit into int64 and text must be UTF-8"
            raise IdError(explain(where, f"a value cannot be used ({_reason(error)})", path=path, fix=fix)) from error
        return converted


def _files(data: FilePath | Sequence[FilePath], owner: str) -> list[Path]:
    given = [data] if isinstance(data, (str, os.PathLike)) else data
    if "" in given:  # `Path("")` is the current folder
        fix = 'Pass the path of a file or folder; "." is the current folder'
        raise ArgumentError(explain(owner, "a path must not be empty", data=data, fix=fix))
    paths = [Path(path) for path in given]
    for path in paths:
        if path.suffix.lower() in _TEXT_SUFFIXES:
            fix = f"{way_to_columns(path)}, and pass the frame"
            raise ArgumentError(explain(owner, "this is not a Parquet file", path=path, fix=fix))
    return [file for path in paths for file in (_files_in(path, owner) if path.is_dir() else [path])]


def _files_in(folder: Path, owner: str) -> list[Path]:
    files = sorted(file for file in folder.glob("*.parquet") if file.is_file())
    if not files:
        fix = "Pass a folder of files *.parquet, or the files themselves"
        raise ArgumentError(explain(owner, "there are no files *.parquet in the folder", path=folder, fix=fix))
    return files


def _missing(metadata: Any, name: str) -> int:
    """Returns how many values of a column are missing according to a footer."""
    at = [metadata.schema.column(column).path for column in range(metadata.num_columns)].index(name)
    chunks = (metadata.row_group(group).column(at) for group in range(metadata.num_row_groups))
    known = [chunk.statistics.null_count for chunk in chunks if chunk.is_stats_set and chunk.statistics.has_null_count]
    return sum(known)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())
