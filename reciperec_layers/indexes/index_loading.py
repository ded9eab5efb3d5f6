"""Loading of an index that was saved alone."""

from __future__ import annotations

from pathlib import Path

from reciperec_layers.errors import ModelFileError, describe_error, explain
from reciperec_layers.indexes.index import INDEXES, Index
from reciperec_layers.indexes.index_files import read_index
from reciperec_layers.saving.config_objects import check_objects
from reciperec_layers.saving.required_plugins import required_class


def load_index(filepath: str | Path) -> Index:
    """Loads an index that `Index.save` wrote.

    Args:
        filepath: The file. Nothing in it is executed.

    Raises:
        ArgumentTypeError: `filepath` is not a path.
        ModelFileError: The file is missing, is not an index, or is damaged.
        PluginError: The index comes from a package that is not installed or imported.

    Example:
        >>> import tempfile
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index, path = BruteForceIndex(), Path(tempfile.mkdtemp()) / "pies.index"
        >>> index.assign([[1.0], [2.0]], ids=["pie", "soup"])
        >>> index.save(path)
        >>> load_index(path).search([[1.0]], k=1)[1].tolist()
        [['soup']]
    """
    name, config, arrays = read_index(filepath)
    check_objects(config, "load_index")
    cls = required_class(INDEXES, name, config.get("distribution"), "the file", "load_index")
    try:
        index = cls.from_config(config)
    except Exception as error:
        problem = f"its config does not fit ({describe_error(error)})"
        fix = "Use the version that saved it"
        raise ModelFileError(explain("load_index", problem, path=Path(filepath), fix=fix)) from error
    index.restore(arrays)
    return index
