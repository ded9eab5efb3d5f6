"""pyarrow, which comes with an extra."""

from __future__ import annotations

from typing import Any

from reciperec_layers.errors import MissingExtraError, explain


def import_pyarrow(owner: str, purpose: str) -> Any:
    """Returns the module `pyarrow`.

    Args:
        owner: Name of the caller, for messages.
        purpose: What it is needed for, for messages.

    Raises:
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import_pyarrow("batches", "Parquet files").array([7, 9]).type
        DataType(int64)
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        fix = 'Install it with `pip install "reciperec-layers[parquet]"`'
        raise MissingExtraError(explain(owner, f"pyarrow is needed for {purpose}", fix=fix)) from None
    return pyarrow
