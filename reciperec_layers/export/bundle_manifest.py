"""The manifest of an exported folder, and whether the folder is whole."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ModelFileError, OutputExistsError, VocabularyMismatchError, describe_ids, explain
from reciperec_layers.export.bundle_files import FolderContents, open_regular, sha256
from reciperec_layers.export.manifest_fields import wrong_fields
from reciperec_layers.saving.atomic_files import write_beside

_NAME = "manifest.json"
_FORMAT = "reciperec_layers.serving_bundle"
_VERSION = 1
_EMPTY_FOLDER = "assets"  # TensorFlow makes it, also for nothing
_FIX = "Export the model again, or copy the whole folder"


@dataclass(frozen=True)
class BundleManifest:
    """The manifest of an exported folder.

    Args:
        versions: Versions of `reciperec_layers`, `keras` and `tensorflow` that exported it.
        columns: Of each column that it takes `argument` (its name in the signatures), `dtype`, and `shape`, where
            `None` is any length.
        candidate_id: Column of the candidate ids in the corpus.
        candidate_id_dtype: `"int64"` or `"string"`.
        num_candidates: How many candidates there are.
        embedding_dim: Size of the embeddings.
        index: Registered name of the index that finds the candidates.
        k: How many candidates `serving_default` gives.
        fingerprints: Of the corpus under `"corpus"`, of its ids under `"candidate_ids"`, and of the vocabularies of
            the query tower under `"query_vocabularies"`.
        files: SHA-256 of every other file, by its path inside the folder.
        format_version: Version of this form.

    Example:
        >>> columns = {"user_id": {"argument": "user_id", "dtype": "int64", "shape": [None]}}
        >>> manifest = BundleManifest({}, columns, "recipe_id", "int64", 2, 8, "brute_force", 10, {}, {})
        >>> manifest.format_version
        1
    """

    versions: dict[str, str]
    columns: dict[str, dict[str, Any]]
    candidate_id: str
    candidate_id_dtype: str
    num_candidates: int
    embedding_dim: int
    index: str
    k: int
    fingerprints: dict[str, Any]
    files: dict[str, str]
    format_version: int = _VERSION

    def write(self, folder: str | Path) -> None:
        """Writes `manifest.json` into a folder."""
        text = json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False)
        write_beside(Path(folder) / _NAME, lambda path: path.write_text(text + "\n", encoding="utf-8"))


def read_manifest(path: str | Path) -> BundleManifest:
    """Returns the manifest of an exported folder. Its files are not checked; see `verify_bundle`.

    Args:
        path: Folder that `RetrievalModel.export` has written.

    Raises:
        ModelFileError: It is not such a folder, or its manifest is damaged or of a newer version of the package.

    Example:
        >>> read_manifest("no_bundle")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: read_manifest: there is no such folder. ...
    """
    folder = Path(path)
    if not os.path.isdir(folder):
        problem = "it is a file, not an exported folder" if os.path.exists(folder) else "there is no such folder"
        raise ModelFileError(explain("read_manifest", problem, path=folder, fix="Check the path"))
    try:
        with open_regular(folder / _NAME) as file:
            found = json.load(file, object_pairs_hook=_without_repeats)
    except FileNotFoundError as error:
        problem = f"the folder is not an exported model, or was not written completely: it lacks {_NAME}"
        raise ModelFileError(explain("read_manifest", problem, path=folder, fix=_FIX)) from error
    except (OSError, ValueError, RecursionError) as error:
        problem = f"{_NAME} is damaged ({str(error).partition(chr(10))[0]})"
        raise ModelFileError(explain("read_manifest", problem, path=folder, fix=_FIX)) from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        problem = f"the folder is not an exported model: its {_NAME} belongs to something else"
        raise ModelFileError(explain("read_manifest", problem, path=folder, fix="Check the path"))
    version = found.get("format_version")
    if type(version) is not int or version != _VERSION:
        problem = f"only version {_VERSION} of the format is known"
        received = {"format_version": version, "path": folder}
        raise ModelFileError(explain("read_manifest", problem, fix="Use the version that exported it", **received))
    fields: dict[str, Any] = {field.name: found.get(field.name) for field in dataclasses.fields(BundleManifest)}
    wrong = wrong_fields(fields)
    if wrong:
        problem = f"{_NAME} is damaged: {describe_ids(wrong, len(wrong))}"
        received = {name: fields[name] for name in wrong}
        raise ModelFileError(explain("read_manifest", problem, fix=_FIX, **received, path=folder))
    return BundleManifest(**fields)


def verify_bundle(path: str | Path, corpus: Corpus | None = None) -> BundleManifest:
    """Returns the manifest of an exported folder after checking that it has exactly the files that were exported.

    That finds damage, not an attacker, who would write the manifest anew: it is not signed. A folder that is replaced
    meanwhile is looked at once more.

    Args:
        path: Folder that `RetrievalModel.export` has written.
        corpus: The candidates that it must be of, for example `model.corpus`; `None` takes any.

    Raises:
        ModelFileError: It is not such a folder, or a file is missing, has changed, or was added; a link, a pipe or a
            device counts as added and is never opened.
        VocabularyMismatchError: It is of other candidates.

    Example:
        >>> verify_bundle("no_bundle")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: read_manifest: there is no such folder. ...
    """
    folder = Path(path)
    while True:
        before = _identity(folder)
        try:
            manifest = _verified(folder)
            break
        except ModelFileError:
            if _identity(folder) == before:
                raise
    if corpus is not None:
        _check_corpus(manifest, corpus, folder)
    return manifest


def file_hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file below a folder but the manifest, by path with forward slashes.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.txt").write_text("soup")
        4
        >>> {name: digest[:8] for name, digest in file_hashes(folder).items()}
        {'a.txt': '9014fac8'}
    """
    return {name: sha256(folder / name) for name in FolderContents.of(folder).files if name != _NAME}


def check_replaceable(folder: Path) -> None:
    """Raises unless a folder is an exported model and nothing else, which may be replaced. A damaged one may.

    Raises:
        OutputExistsError: It lacks a manifest of this package, or has files or folders that do not belong to it.

    Example:
        >>> import tempfile
        >>> check_replaceable(Path(tempfile.mkdtemp()))
        Traceback (most recent call last):
        reciperec_layers.errors.OutputExistsError: export: the folder exists and is not an exported model. ...
    """
    fix = "Choose another path"
    try:
        files = {_NAME, *read_manifest(folder).files}
    except ModelFileError as error:
        problem = "the folder exists and is not an exported model"
        raise OutputExistsError(explain("export", problem, path=folder, fix=fix)) from error
    folders = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents} | {_EMPTY_FOLDER}
    contents = FolderContents.of(folder)
    strange = sorted([*({*contents.files} - files), *({*contents.folders} - folders), *contents.described_others()])
    if strange:
        problem = f"the exported model that is there has other files in its folder: {describe_ids(strange)}"
        raise OutputExistsError(explain("export", problem, path=folder, fix=fix))


def _verified(folder: Path) -> BundleManifest:
    manifest = read_manifest(folder)
    try:
        contents = FolderContents.of(folder)
        listed, files = manifest.files.keys(), {*contents.files} - {_NAME}
        _refuse("there is something that is neither a file nor a folder", contents.described_others(), folder)
        _refuse("the folder is not whole, it lacks", listed - files, folder)
        _refuse("the folder has files that were not exported", files - listed, folder)
        changed = [name for name in listed if sha256(folder / name) != manifest.files[name]]
    except OSError as error:
        problem = f"a file cannot be read ({error})"
        raise ModelFileError(explain("verify_bundle", problem, path=folder, fix=_FIX)) from error
    _refuse("files are not as they were exported", changed, folder)
    return manifest


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Returns what tells a folder from another that takes its place."""
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _refuse(problem: str, names: Iterable[str], folder: Path) -> None:
    listed = sorted(names)
    if listed:
        raise ModelFileError(explain("verify_bundle", f"{problem}: {describe_ids(listed)}", path=folder, fix=_FIX))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _check_corpus(manifest: BundleManifest, corpus: Corpus, folder: Path) -> None:
    if manifest.fingerprints.get("corpus") == corpus.get_config()["fingerprint"]:
        return
    same_ids = manifest.fingerprints.get("candidate_ids") == corpus.vocabulary.fingerprint
    problem = "the bundle is of other candidates than the corpus"
    if same_ids:
        problem += ": ids are equal, columns are not"
    received = {"path": folder, "bundle": manifest.num_candidates, "corpus": len(corpus)}
    fix = "Export the model again with this corpus, or pass the model's own, model.corpus"
    raise VocabularyMismatchError(explain("verify_bundle", problem, fix=fix, **received))
