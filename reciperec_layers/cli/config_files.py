"""Config files of models: YAML, read without creating anything but text, numbers, lists and dicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reciperec_layers.errors import ArgumentError, MissingExtraError, explain

_FIX = "Write for example `epochs: 5`, or `query_tower: {tower: feature, hidden_units: [64]}`"


def read_config(path: Path) -> dict[str, Any]:
    r"""Returns what a YAML file says, by key. An empty file says nothing.

    Args:
        path: The file, in UTF-8.

    Raises:
        MissingExtraError: PyYAML is not installed.
        ArgumentError: There is no such file, or it is not a table of plain values, each key once.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.yaml"
        >>> size = path.write_text("epochs: 5\nquery_tower: {tower: feature, hidden_units: [64]}\n")
        >>> read_config(path)
        {'epochs': 5, 'query_tower': {'tower': 'feature', 'hidden_units': [64]}}
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        fix = 'Install it with `pip install "reciperec-layers[cli]"`'
        raise MissingExtraError(explain("--config", "PyYAML is needed to read config files", fix=fix)) from error

    class Loader(yaml.SafeLoader):
        """Plain values alone, in a file whose size is that of what it says."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.MarkedYAMLError(problem="aliases are not taken", problem_mark=self.peek_event().start_mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            for place, (key, _) in enumerate(node.value):
                if key.value in names[:place]:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    try:
        with path.open(encoding="utf-8") as file:
            found = yaml.load(file, Loader)
        json.dumps(found)
    except (OSError, UnicodeDecodeError) as error:
        problem = f"the file cannot be read ({getattr(error, 'strerror', None) or error})"
        raise ArgumentError(explain("--config", problem, path=path, fix="Check the path")) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        problem = f"this is not YAML of text, numbers, lists and tables ({' '.join(str(error).split())})"
        raise ArgumentError(explain(path.name, problem, fix=_FIX)) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ArgumentError(explain(path.name, "a config must be a table of keys and values", config=found, fix=_FIX))
    return found
