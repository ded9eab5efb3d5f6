"""What changes in code that was written for TensorFlow Recommenders: found in its syntax tree, nothing is run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from reciperec_layers.cli.tfrs_calls import told_of_call

CHANGE, LOOK, MISSING = "change", "look", "missing"

_TFRS, _KERAS = "tensorflow_recommenders", "tensorflow.keras"
_OURS = "reciperec_layers.tfrs"
_OWN_NAME = "Keras 3 is imported by its own name."
_RENAMED_TFRS = f"TensorFlow Recommenders is `{_OURS}`."
_REDUCTIONS = {"SUM": '"sum"', "NONE": "None", "AUTO": '"sum_over_batch_size"'}
_REDUCTIONS["SUM_OVER_BATCH_SIZE"] = _REDUCTIONS["AUTO"]
# Paths of Keras 2, as regular expressions, and what Keras 3 has in their place.
_RENAMED = (
    (r"layers\.experimental\.preprocessing\.(\w+)", r"keras.layers.\1"),
    (r"optimizers\.(?:legacy|experimental)\.(\w+)", r"keras.optimizers.\1"),
    (r"optimizers\.schedules\.experimental\.(\w+)", r"keras.optimizers.schedules.\1"),
)
_ABSENT_PACKAGES = {
    "tensorflow_ranking": "TensorFlow Ranking does not run on Keras 3: a list-wise loss stands in examples/tfrs.",
    "scann": "The library `scann` is not used: `ScaNN` searches with an index of this package.",
}
_ABSENT_IN_TFRS = re.compile(r"\.(TPUEmbedding|PartialTPUEmbedding|UnifiedEmbedding(Config)?|tpu_embedding_layer)\b")
# Of calls of paths, as regular expressions.
_RENAMED_ARGUMENTS = (
    (r"(^|\.)optimizers\.", "lr", "learning_rate"),
    (r"\.(String|Integer)Lookup$", "mask_value", "mask_token"),
)
# Methods and attributes that have another name, whatever they belong to.
_RENAMED_ATTRIBUTES = {"reset_states": "reset_state", "lr": "learning_rate", "vocab_size": "vocabulary_size"}


@dataclass(frozen=True)
class Edit:
    """A span of the code, by lines from 1 and columns in UTF-8 bytes from 0, and what takes its place."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One thing that changes.

    Args:
        line: Line of the code, from 1.
        kind: `"change"`, which is safe and has an edit; `"look"`, what behaves otherwise or needs a person; or
            `"missing"`, what there is not.
        text: A sentence.
        edit: What `--write` does.

    Example:
        >>> Finding(3, "look", "Look at this.").edit is None
        True
    """

    line: int
    kind: str
    text: str
    edit: Edit | None = None


def findings_of(cells: list[str]) -> list[list[Finding]]:
    """Returns what changes in each cell of a notebook, in the order of the lines; a script is one cell.

    Args:
        cells: The code. Lines that begin with `!` or `%` are commands of the notebook.

    Raises:
        SyntaxError: One of them is no Python; `filename` is its number, from 1.

    Example:
        >>> cells = ["import tensorflow_recommenders as tfrs", "tfrs.layers.embedding.TPUEmbedding"]
        >>> [(finding.line, finding.kind) for of_cell in findings_of(cells) for finding in of_cell]
        [(1, 'change'), (1, 'missing')]
    """
    finder = _Finder()
    trees = [_parsed(code, str(number)) for number, code in enumerate(cells, 1)]
    found = [finder.of_cell(tree, code) for tree, code in zip(trees, cells, strict=True)]
    place = next((place for place, tree in enumerate(trees) if _first_import(tree) is not None), 0)
    added = finder.import_of_keras(trees[place])
    found[place] += [] if added is None else [added]
    return [sorted(of_cell, key=lambda finding: (finding.line, finding.text)) for of_cell in found]


def edited(code: str, findings: list[Finding]) -> str:
    """Returns the code with all edits made.

    Args:
        code: The script.
        findings: What was found in it.

    Example:
        >>> code = "import tensorflow as tf; metric = tf.keras.metrics.Mean()"
        >>> print(edited(code, findings_of([code])[0]))
        import keras
        import tensorflow as tf; metric = keras.metrics.Mean()
    """
    lines = code.encode().split(b"\n")
    edits = {finding.edit for finding in findings if finding.edit is not None}
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.column), reverse=True):
        first, last = lines[edit.line - 1], lines[edit.end_line - 1]
        joined = first[: edit.column] + edit.text.encode() + last[edit.end_column :]
        lines[edit.line - 1 : edit.end_line] = joined.split(b"\n")
    return b"\n".join(lines).decode()


class _Finder(ast.NodeVisitor):
    """Collects findings. Names are followed through imports, such as `tf` and `tfrs`."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._names: dict[str, str] = {}  # what a name of the script stands for
        self._made_by: dict[str, str] = {}  # the class whose object something of the script is
        self._classes: set[str] = set()
        self._lines: list[str] = []
        self._wants_keras = False

    def of_cell(self, tree: ast.Module, code: str) -> list[Finding]:
        """Returns what is found in a cell; names of the cells before are known."""
        self._found, self._lines = [], code.split("\n")
        self.visit(tree)
        for number, line in enumerate(self._lines, 1):
            if _is_command(line):
                self._of_command(number, line)
        return self._found

    def import_of_keras(self, tree: ast.Module) -> Finding | None:
        """Returns an import of Keras for the first cell with imports, where it is needed."""
        if not self._wants_keras or "keras" in self._names:
            return None
        first = _first_import(tree)
        is_future = isinstance(first, ast.ImportFrom) and first.module == "__future__"
        line = 1 if first is None else first.lineno + int(is_future)
        return Finding(line, CHANGE, _OWN_NAME, Edit(line, 0, line, 0, "import keras\n"))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            self._of_package(node, root)
            self._names[alias.asname or root] = alias.name if alias.asname else root
            if root == _TFRS:
                name = f"{alias.name.replace(_TFRS, _OURS, 1)} as {alias.asname or _TFRS}"
                self._replace(alias, _RENAMED_TFRS, name)
            elif alias.name == "tf_keras" or (alias.name == _KERAS and alias.asname):
                bound = alias.asname or alias.name
                self._names[bound] = _KERAS
                name = "keras" if bound == "keras" else f"keras as {bound}"
                self._replace(alias, _OWN_NAME, name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        self._of_package(node, module.partition(".")[0])
        for alias in node.names:
            self._names[alias.asname or alias.name] = f"{module}.{alias.name}"
            if _ABSENT_IN_TFRS.search(f".{alias.name}"):
                self._missing(node)
        if module.partition(".")[0] == _TFRS:
            self._replace_module(node, module.replace(_TFRS, _OURS, 1), _RENAMED_TFRS)
        elif module == "tensorflow" and [alias.name for alias in node.names] == ["keras"]:
            alias = node.names[0]
            name = "import keras" if alias.asname is None else f"import keras as {alias.asname}"
            self._replace(node, _OWN_NAME, name)
        elif module == _KERAS or module.startswith(f"{_KERAS}."):
            path = module.removeprefix(_KERAS).lstrip(".")
            new = _renamed(f"{path}.name")  # of what is imported from it
            module = f"keras.{path}".rstrip(".") if new is None else new.removesuffix(".name")
            self._replace_module(node, module, _OWN_NAME)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.add(node.name)
        bases = [self._path_of(base) or "" for base in node.bases]
        if any(base in (f"{_TFRS}.Model", f"{_TFRS}.models.Model") for base in bases):
            text = "Losses in the logs are those of the last batch, as before, and now in the progress bar, too;"
            self._add(node.lineno, LOOK, f"{text} `mean_losses = True` in the class makes them means over the batches.")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        is_switch = "TF_USE_LEGACY_KERAS" in ast.unparse(node.targets[0])
        if is_switch:
            source = ast.unparse(node)
            self._replace(node, "Keras 3 must not be switched off.", f"# {source}" if node.col_offset == 0 else "pass")
        if isinstance(node.value, ast.Call) and (path := self._path_of(node.value.func)) is not None:
            self._made_by |= {ast.unparse(target): path for target in node.targets}
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path_of(node)
        if path is None:
            self._method(node)
            self.generic_visit(node)
            return
        if path.startswith(f"{_TFRS}.") and _ABSENT_IN_TFRS.search(path):
            self._missing(node)
        elif path == _KERAS or path.startswith(f"{_KERAS}."):
            self._of_keras(node, path.removeprefix(_KERAS).lstrip("."))

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path_of(node.func) or ""
        for keyword in node.keywords:
            for pattern, old, new in _RENAMED_ARGUMENTS:
                if keyword.arg == old and re.search(pattern, path):
                    start, end = keyword.col_offset, keyword.col_offset + len(old)
                    edit = Edit(keyword.lineno, start, keyword.lineno, end, new)
                    self._add(keyword.lineno, CHANGE, f"`{old}` is `{new}`.", edit)
        owner = node.func.value if isinstance(node.func, ast.Attribute) and not path else node.func
        made_by = self._made_by.get(ast.unparse(node.func)) or self._made_by.get(ast.unparse(owner), "")
        for line, text in told_of_call(node, path, made_by, self._classes):
            self._add(line, LOOK, text)
        self.generic_visit(node)

    def _of_keras(self, node: ast.Attribute, path: str) -> None:
        """What is said of a path below `tf.keras`."""
        self._wants_keras = True
        reduction = re.fullmatch(r"losses\.Reduction\.(\w+)", path)
        if reduction is not None and reduction[1] in _REDUCTIONS:
            self._replace(node, "Reductions are words.", _REDUCTIONS[reduction[1]])
            return
        new = _renamed(path)
        if new is not None:
            self._replace(node, f"`{path}` is `{new}`.", new)
            return
        if path.startswith("experimental.") or path == "experimental":
            self._add(node.lineno, MISSING, f"Keras 3 has no `keras.{path}`.")
        part: ast.expr = node
        while (self._path_of(part) or "") != _KERAS and isinstance(part, ast.Attribute):
            part = part.value
        if isinstance(part, ast.Attribute):  # else a name that the import has changed
            self._replace(part, "`tf.keras` is `keras`.", "keras")

    def _method(self, node: ast.Attribute) -> None:
        """What is said of an attribute of something that no import names."""
        new = _RENAMED_ATTRIBUTES.get(node.attr)
        if new is not None and (node.attr != "lr" or "optimizer" in ast.unparse(node.value)):
            end, line = node.end_col_offset or 0, node.end_lineno or node.lineno
            edit = Edit(line, end - len(node.attr), line, end, new)
            self._add(line, CHANGE, f"`{node.attr}` is `{new}`.", edit)

    def _path_of(self, node: ast.AST) -> str | None:
        """Returns the dotted path for which an expression stands, where it begins with an imported name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._names:
            return None
        return ".".join([self._names[node.id], *parts])

    def _replace_module(self, node: ast.ImportFrom, module: str, text: str) -> None:
        assert node.module is not None
        column = len(self._lines[node.lineno - 1][: node.col_offset].encode()) + len("from ")
        edit = Edit(node.lineno, column, node.lineno, column + len(node.module), module)
        self._add(node.lineno, CHANGE, text, edit)

    def _replace(self, node: ast.expr | ast.stmt | ast.alias, text: str, new: str) -> None:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        self._add(node.lineno, CHANGE, text, Edit(node.lineno, node.col_offset, end_line, end_column, new))

    def _of_package(self, node: ast.AST, name: str) -> None:
        """What is said of the import of a package that Keras 3 has no place for."""
        if name in _ABSENT_PACKAGES:
            self._add(getattr(node, "lineno", 1), MISSING, _ABSENT_PACKAGES[name])

    def _of_command(self, number: int, line: str) -> None:
        for name, text in _ABSENT_PACKAGES.items():
            if re.search(rf"\binstall\b.*\b{name.replace('_', '[-_]')}\b", line):
                self._add(number, LOOK, f"Leave it out: {text[0].lower()}{text[1:]}")
        for match in re.finditer(r"tensorflow[-_]recommenders\S*", line):
            start, end = (len(line[:at].encode()) for at in match.span())
            edit = Edit(number, start, number, end, "'reciperec-layers[tfrs]'")
            self._add(
                number,
                CHANGE,
                "The package is `reciperec-layers`, whose extra `tfrs` has the rest.",
                edit,
            )

    def _missing(self, node: ast.AST) -> None:
        text = "TPU embeddings, and what is built on them, are not part of `reciperec_layers.tfrs`: use an `Embedding`."
        self._add(getattr(node, "lineno", 1), MISSING, text)

    def _add(self, line: int, kind: str, text: str, edit: Edit | None = None) -> None:
        self._found.append(Finding(line, kind, text, edit))


def _renamed(path: str) -> str | None:
    """Returns where Keras 3 has what stands at a path below `tf.keras`, if that is another path."""
    for pattern, name in _RENAMED:
        if re.fullmatch(pattern, path):
            return re.sub(pattern, name, path)
    return None


def _parsed(code: str, name: str) -> ast.Module:
    """Returns the tree of a cell, in which the notebook's commands do nothing."""
    if re.match(r"\s*%%(?!time|capture)", code):
        return ast.Module([], [])  # of another language
    return ast.parse("\n".join(map(_python_of, code.split("\n"))), name)


def _is_command(line: str) -> bool:
    return line.lstrip().startswith(("!", "%"))


def _python_of(line: str) -> str:
    """Returns a line of a notebook as Python, with what remains at its place."""
    if match := re.match(r"(\s*)(%time(?:it)?\s+)(?=[^-\s])", line):  # which runs what stands behind it
        return match[1] + "pass;".ljust(len(match[2])) + line[match.end() :]
    if _is_command(line) or ("?" in line and re.fullmatch(r"\s*\?{0,2}[\w.]+\?{0,2}\s*", line)):
        return f"{line[: len(line) - len(line.lstrip())]}pass"
    return re.sub(r"^(\s*[\w.]+\s*=\s*)[!%].*$", r"\1None", line)


def _first_import(tree: ast.Module) -> ast.Import | ast.ImportFrom | None:
    return next((node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))), None)
