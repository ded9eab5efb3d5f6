"""Tables and columns of any library that speaks Arrow: polars, pyarrow, DuckDB and others, read as pandas columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reciperec_layers.columns.arrow_modules import import_pyarrow
from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentTypeError, explain


def from_arrow(value: Any, owner: str, name: str | None = None) -> Any:
    """Returns what speaks Arrow as pandas columns, and anything else as it is; pandas itself is never converted.

    Args:
        value: A table, which becomes `ArrowColumns`; a dict of columns, some of which speak Arrow, likewise; or a
            single column, which becomes a pandas column.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Raises:
        MissingExtraError: The value speaks Arrow, and pyarrow is not installed.
        ArgumentTypeError: pyarrow cannot read it.

    Example:
        >>> import pyarrow
        >>> from_arrow(pyarrow.array([7, None]), "recommend").tolist()
        [7, <NA>]
        >>> from_arrow(pyarrow.table({"user_id": [7, 9]}), "recommend")["user_id"].tolist()
        [7, 9]
        >>> from_arrow([7, 9], "recommend")
        [7, 9]
    """
    if isinstance(value, ArrowColumns):
        return value
    if isinstance(value, Mapping):
        if not any(map(_speaks_arrow, value.values())):
            return value
        return ArrowColumns(list(value.keys()), list(value.values()), owner)
    if not _speaks_arrow(value):
        return value
    pyarrow = import_pyarrow(owner, f"a {type(value).__module__.partition('.')[0]} {type(value).__name__}")
    try:
        imported = _imported(value, pyarrow)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise _refusal(owner, name, type(value).__name__, error) from error
    if not isinstance(imported, pyarrow.Table):
        column = _to_pandas(imported, pyarrow, owner, name)
        column.name = getattr(value, "name", name)
        return column
    names = imported.column_names
    of_index = (imported.schema.pandas_metadata or {}).get("index_columns", [])
    places = [place for place, each in enumerate(names) if each not in of_index]
    return ArrowColumns([names[place] for place in places], [imported.column(place) for place in places], owner)


class ArrowColumns(Mapping[Any, Any]):
    """Columns by name, each of which becomes a pandas column when it is first taken.

    Args:
        names: Names of the columns; one that occurs twice is refused where it is asked for.
        columns: The columns: those that speak Arrow are converted, others stay as they are.
        owner: Name of the caller, for messages.

    Example:
        >>> import pyarrow
        >>> columns = ArrowColumns(["user_id"], [pyarrow.array([7, 9])], "fit")
        >>> list(columns), columns["user_id"].tolist()
        (['user_id'], [7, 9])
    """

    def __init__(self, names: Sequence[Any], columns: Sequence[Any], owner: str) -> None:
        self._names, self._columns, self._owner = list(names), list(columns), owner
        self._converted: dict[Any, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if name not in self._converted:
            if name not in self._names:
                raise KeyError(name)
            column = self._columns[self._names.index(name)]
            self._converted[name] = from_arrow(column, self._owner, name)
        return self._converted[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.to_frame().to_numpy(dtype=dtype)  # as that of a data frame

    def __repr__(self) -> str:
        return f"ArrowColumns({self._names})"

    def rename(self, columns: Mapping[Any, Any]) -> ArrowColumns:
        """Returns the same columns with other names, as pandas does."""
        return ArrowColumns([columns.get(name, name) for name in self._names], self._columns, self._owner)

    def to_frame(self, names: Sequence[Any] | None = None) -> Any:
        """Returns a pandas data frame.

        Args:
            names: Columns to take; by default all.

        Raises:
            ColumnError: There is no such column, or two have its name.
        """
        import pandas as pd  # not needed to train, and slow to import

        taken = self._names if names is None else names
        return pd.DataFrame({name: self[require_column(self._names, name, self._owner)] for name in taken}, copy=False)


def to_frame(value: Any, owner: str, names: Sequence[Any] | None = None) -> Any:
    """Returns a table that speaks Arrow as a pandas data frame, and anything else as it is.

    Args:
        value: The table.
        owner: Name of the caller, for messages.
        names: Columns that are needed; by default all. A pandas frame keeps all of its columns.

    Raises:
        ColumnError: A table that speaks Arrow lacks a column.

    Example:
        >>> import pyarrow
        >>> to_frame(pyarrow.table({"user_id": [7, 9], "age": [30, 40]}), "seen", ["user_id"]).columns.tolist()
        ['user_id']
    """
    table = from_arrow(value, owner)
    return table.to_frame(names) if isinstance(table, ArrowColumns) else table


def _speaks_arrow(value: Any) -> bool:
    # pandas speaks it too, and `iloc` tells its frames and columns, as in `has_named_columns`.
    kind = type(value)
    return (hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__")) and not hasattr(kind, "iloc")


def _imported(value: Any, pyarrow: Any) -> Any:
    """Returns a `pyarrow.Table`, or an array, chunked or not."""
    if isinstance(value, (pyarrow.Table, pyarrow.Array, pyarrow.ChunkedArray)):
        return value
    if hasattr(value, "schema") or hasattr(value, "columns"):
        return pyarrow.table(value)
    has_stream = hasattr(value, "__arrow_c_stream__")
    array = pyarrow.chunked_array(value) if has_stream else pyarrow.array(value)
    # The rows of a table are structs too; a column of structs says that it is a column by its type.
    is_column = hasattr(value, "dtype") or hasattr(value, "type")
    if is_column or not pyarrow.types.is_struct(array.type):
        return array
    return pyarrow.Table.from_struct_array(array)


def _to_pandas(array: Any, pyarrow: Any, owner: str, name: str | None) -> Any:
    """Returns a pandas column that keeps integers with gaps as integers, and dates as datetimes."""
    import pandas as pd  # not needed to train, and slow to import

    kind = _kind_for_pandas(array.type, pyarrow)
    nullable = _nullable(pyarrow, pd).get if array.null_count else None
    try:
        try:
            converted = array if kind == array.type else array.cast(kind)
            return converted.to_pandas(date_as_object=False, types_mapper=nullable)
        except pyarrow.ArrowException:  # nested values of a type that pandas does not get whole
            return pd.Series(array.to_pylist(), dtype=object)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _refusal(owner, name, f"Arrow column of {array.type}", error) from error


def _kind_for_pandas(kind: Any, pyarrow: Any) -> Any:
    """Returns an Arrow type with the same values that pyarrow converts to pandas."""
    types = pyarrow.types
    if types.is_string_view(kind):
        return pyarrow.large_string()
    if types.is_binary_view(kind):
        return pyarrow.large_binary()
    if types.is_decimal(kind):
        is_whole = kind.scale == 0 and kind.precision <= _DIGITS_OF_INT64
        return pyarrow.int64() if is_whole else pyarrow.float64()
    if types.is_dictionary(kind):  # indexes without a sign are unknown to older versions
        return pyarrow.dictionary(pyarrow.int64(), _kind_for_pandas(kind.value_type, pyarrow), kind.ordered)
    if types.is_list(kind) or types.is_large_list(kind):
        return pyarrow.large_list(_kind_for_pandas(kind.value_type, pyarrow))
    return kind


def _nullable(pyarrow: Any, pd: Any) -> dict[Any, Any]:
    """Returns the types of pandas that hold gaps without becoming floats or objects."""
    of_integers = {
        getattr(pyarrow, f"{sign.lower()}int{bits}")(): getattr(pd, f"{sign}Int{bits}Dtype")()
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    }
    return {**of_integers, pyarrow.bool_(): pd.BooleanDtype()}


def _refusal(owner: str, name: str | None, what: str, error: Exception) -> ArgumentTypeError:
    where = owner if name is None else f"{owner}: column {name!r}"
    reason = " ".join(str(error).split())
    fix = "Convert the column that this is about to a simpler type, or leave it out"
    return ArgumentTypeError(explain(where, f"{what} cannot be read ({reason})", fix=fix))


_DIGITS_OF_INT64 = 18
