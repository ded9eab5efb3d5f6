"""What behaves otherwise under Keras 3 in a call, so that a person must look at it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

_ARGUMENTS_DROPPED = ("workers", "use_multiprocessing", "max_queue_size")
_CALLED_LIKE_LAYERS = re.compile(r"(model|tower|layer|embedding|encoder)s?$", re.IGNORECASE)
# Layers that take lists.
_LOOKUPS = re.compile(r"\.(\w+Lookup|Hashing|Discretization|TextVectorization)$")
_FILES = (".keras", ".h5")


def called_name(node: ast.expr) -> str:
    """Returns the last part of what is called; of `Model()(x)` that of `Model`.

    Example:
        >>> [called_name(ast.parse(code, mode="eval").body.func) for code in ("self.model.fit(x)", "Model()(x)")]
        ['fit', 'Model']
    """
    if isinstance(node, ast.Call):
        return called_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def told_of_call(node: ast.Call, path: str, made_by: str, own_classes: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yields lines and what is said of them.

    Args:
        node: The call.
        path: Dotted path of what is called, where it begins with an imported name, or `""`.
        made_by: Dotted path of the class of what is called or whose method is called, or `""` where that is not known.
        own_classes: Names of classes of the script.

    Example:
        >>> call = ast.parse('model.save("folder")', mode="eval").body
        >>> [line for line, text in told_of_call(call, "", "", ())]
        [1]
    """
    called = called_name(node.func)
    if called in ("fit", "evaluate", "predict"):
        for keyword in node.keywords:
            if keyword.arg in _ARGUMENTS_DROPPED:
                yield keyword.value.lineno, f"Keras 3 has no `{keyword.arg}` in `{called}`: leave it out."
    elif called == "save" and node.args and not _text_of(node.args[0], ".keras").endswith(_FILES):
        text = "Keras 3 saves models as files that end with `.keras`; an index is still saved as a folder."
        yield node.lineno, text
    elif called == "load_model" and node.args and not _text_of(node.args[0], "folder").endswith(_FILES):
        text = "Keras 3 loads files that end with `.keras`, and no SavedModel folders:"
        yield node.lineno, f"{text} use `tf.saved_model.load` for those."
    elif called in ("save_weights", "load_weights"):
        text = "Weights are one HDF5 file, under any name. A checkpoint that Keras 2 wrote is read by `tfrs.migrate`."
        yield node.lineno, text
    elif called == "adapt" and node.args:
        yield from _told_of_adapt(node, made_by)
    elif path.endswith(".Sequential") and node.args:
        if _begins_with_model(node.args[0], own_classes):
            text = "Keras 3 gives floats to a `Sequential` whose first layer is a model: for one column of text put"
            yield node.lineno, f'{text} `keras.Input((), dtype="string")` before that; dicts need nothing.'
    elif _is_layer(node.func, made_by, own_classes) and any(map(_has_plain_list, node.args)):
        yield node.lineno, "Keras 3 takes no lists in a layer's call: use `tf.constant([...])`."


def _is_layer(func: ast.expr, made_by: str, own_classes: Collection[str]) -> bool:
    called = called_name(func)
    if _LOOKUPS.search(made_by) is not None:
        return False
    if called in own_classes:
        return isinstance(func, ast.Call)  # else an object is made
    return _CALLED_LIKE_LAYERS.search(called) is not None


def _told_of_adapt(node: ast.Call, made_by: str) -> Iterator[tuple[int, str]]:
    is_batched = any(
        isinstance(part, ast.Call) and called_name(part.func) == "batch" for part in ast.walk(node.args[0])
    )
    if made_by.endswith(".Normalization") and is_batched:
        yield node.lineno, "Keras 3 batches what `Normalization.adapt` is given: pass an array in place of batches."
    elif made_by.endswith(".TextVectorization") and not is_batched:
        yield node.lineno, "`adapt` to a dataset of single texts takes milliseconds for each: batch it, if it is one."


def _begins_with_model(layers: ast.expr, own_classes: Collection[str]) -> bool:
    first = layers.elts[0] if isinstance(layers, (ast.List, ast.Tuple)) and layers.elts else None
    return isinstance(first, ast.Call) and called_name(first.func) in {*own_classes, "Sequential"}


def _text_of(node: ast.expr, otherwise: str) -> str:
    """Returns a literal text, or another where it is computed."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else otherwise


def _has_plain_list(node: ast.expr) -> bool:
    values = node.values if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Tuple) else [node]
    lists = [each for each in values if isinstance(each, ast.List)]
    return any(each.elts and all(isinstance(item, ast.Constant) for item in each.elts) for each in lists)
