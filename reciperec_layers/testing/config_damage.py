"""Damaged and hostile copies of a config as JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

_WRONG_VALUES: tuple[Any, ...] = (
    None, -1, 0, 10**12, 10**30, 1.5, 1e308, float("nan"), True, "", "trap", "\ud800\x1b[2J", "\0", [], {}, {"trap": 1},
    [10**9, 10**9], [[[[[[]]]]]],
)  # fmt: skip
_FILE = "/etc/hosts"

# Objects that must not be made, and functions that must not be found: they open, download, execute or switch the safe
# mode off.
TRAPS: dict[str, dict[str, Any]] = {
    "a download": {"module": "keras.utils", "class_name": "get_file", "config": {"origin": f"file://{_FILE}"}},
    "a download with a dot": {"module": "keras", "class_name": "utils.get_file", "config": {}},
    "a data set": {"module": "keras.datasets.mnist", "class_name": "load_data", "config": {}},
    "no safe mode": {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
    "no safe mode as a function": {
        "module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization",
    },
    "a function of Python": {"module": "builtins", "class_name": "function", "config": "eval"},
    "a process": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}},
    "a module of Python": {"module": "antigravity", "class_name": "Dense", "config": {}},
    "a module of Keras": {"module": "keras.src.trap", "class_name": "Dense", "config": {}},
    "a package beside Keras": {"module": "keras_hub.trap", "class_name": "Dense", "config": {}},
    "code": {"module": "builtins", "class_name": "__lambda__", "config": {"value": ["", None, None]}},
    "a SavedModel": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": _FILE}},
    "a vocabulary in a file": {
        "module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": _FILE},
    },
    "a log": {"module": "keras.callbacks", "class_name": "CSVLogger", "config": {"filename": "trap.csv"}},
    "a long dtype": {"class_name": "__numpy__", "config": {"value": ["trap"], "dtype": "U900000000"}},
    "an unknown class": {"registered_name": "trap>Trap", "module": None, "class_name": "Trap", "config": {}},
}  # fmt: skip


def damaged_config(content: bytes, generator: np.random.Generator, num_edits: int) -> Iterator[tuple[str, bytes]]:
    """Yields damaged and hostile copies of JSON, each with the name of what it is.

    Args:
        content: The JSON.
        generator: Draws the values that are edited.
        num_edits: How many copies have one changed value.

    Example:
        >>> copies = dict(damaged_config(b'{"k": 10}', np.random.default_rng(0), num_edits=2))
        >>> copies["edit: a new key in $"]
        b'{"k": 10, "trap": 1}'
    """
    config = json.loads(content)
    yield "trap: nested JSON", b'{"config": ' + 100_000 * b"[" + 100_000 * b"]" + b"}"
    yield "trap: JSON in JSON", json.dumps({**config, "config": _nested(300)}).encode()
    yield "damage: no JSON", content[:-1]
    yield "damage: other JSON", b"[]"
    places = list(_places(config))
    for number in generator.permutation(len(places))[: num_edits // 2]:
        place = places[number]
        yield f"edit: no {_shown(place)}", _edited(config, place, _Absent)
    for _ in range(num_edits - num_edits // 2):
        place, value = places[generator.integers(len(places))], _WRONG_VALUES[generator.integers(len(_WRONG_VALUES))]
        yield f"edit: {_shown(place)} = {value!r}", _edited(config, place, value)
    holders = [(), *(place for place in places if isinstance(_at(config, place), dict))]
    for number in generator.permutation(len(holders))[: max(1, num_edits // 5)]:
        place = holders[number]
        yield f"edit: a new key in {_shown(place)}", _edited(config, (*place, "trap"), 1)
    objects = [place for place in places if _is_object(_at(config, place))]
    for name, trap in TRAPS.items():
        for place in objects and [objects[generator.integers(len(objects))]]:
            yield f"trap: {name} as {_shown(place)}", _edited(config, place, trap)
        for place in places:
            if place[-1] == "learning_rate":
                yield f"trap: {name} as {_shown(place)}", _edited(config, place, trap)


class _Absent:
    """Stands for a key that is left out."""


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*place, key)
        yield from _places(inner, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _edited(config: Any, place: tuple[Any, ...], value: Any) -> bytes:
    changed = copy.deepcopy(config)
    holder = _at(changed, place[:-1])
    if value is _Absent:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return json.dumps(changed).encode()


def _shown(place: tuple[Any, ...]) -> str:
    return ".".join(["$", *map(str, place)])


def _nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"class_name": "Sequential", "module": "keras", "config": {"layers": [value]}}
    return value
