"""A bundle has exactly the files that were exported, and a manifest whose fields can be; nothing else is opened."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ModelFileError, OutputExistsError
from reciperec_layers.export import bundle_manifest
from reciperec_layers.models import read_manifest, verify_bundle


@pytest.fixture(scope="module")
def model() -> rl.RetrievalModel:
    towers = rl.IdTower([7, 9], 2, feature="user_id"), rl.IdTower([50, 60], 2, feature="recipe_id")
    return rl.RetrievalModel(*towers, {"recipe_id": [50, 60]}, "recipe_id")


@pytest.fixture(scope="module")
def whole(model: rl.RetrievalModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    model.export(folder)
    return folder


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were opened."""
    paths: list[str] = []
    os_open = os.open

    def watched(path: Any, *args: Any, **kwargs: Any) -> int:
        paths.append(str(path))
        return os_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", watched)
    return paths


def change(bundle: Path, **fields: Any) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (bundle / "manifest.json").write_text(json.dumps({**manifest, **fields}), encoding="utf-8")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


IRREGULAR: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a pipe"),
    "link to a file": (lambda path: path.symlink_to("/etc/passwd"), "a link"),
    "link to its folder": (lambda path: path.symlink_to(".."), "a link"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "a link"),
    "socket": (make_socket, "a socket"),
}


@pytest.mark.parametrize("place", ["extra", "variables/extra", "fingerprint.pb"])
@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_not_a_regular_file_is_named_and_never_opened(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str], kind: str, place: str
):
    make, name = IRREGULAR[kind]
    monkeypatch.chdir(bundle)  # a socket's path must be short
    Path(place).unlink(missing_ok=True)
    make(Path(place))
    expected = re.escape(f"neither a file nor a folder: '{place} ({name})'")
    with pytest.raises(ModelFileError, match=expected):
        verify_bundle(bundle)
    assert not [path for path in opened if path.endswith(place)]


@pytest.mark.parametrize("kind", [*IRREGULAR, "folder"])
def test_a_manifest_that_is_not_a_regular_file_is_never_opened(
    bundle: Path, model: rl.RetrievalModel, monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.chdir(bundle)
    Path("manifest.json").rename("../manifest.json")
    if kind == "link to a file":
        Path("manifest.json").symlink_to("../manifest.json")
    else:
        (Path.mkdir if kind == "folder" else IRREGULAR[kind][0])(Path("manifest.json"))
    for read in (verify_bundle, read_manifest):
        with pytest.raises(ModelFileError, match=r"manifest.json is damaged \(.*not a regular file"):
            read(bundle)
    with pytest.raises(OutputExistsError, match="is not an exported model"):
        model.export(bundle)


@pytest.mark.parametrize("name", ["extra.txt", "variables/extra", "assets/extra", ".hidden", "é\n", "manifest.json~"])
def test_a_file_that_was_not_exported_is_named(bundle: Path, model: rl.RetrievalModel, name: str):
    (bundle / "assets").mkdir(exist_ok=True)
    (bundle / name).write_text("precious")
    with pytest.raises(ModelFileError, match=re.escape(f"has files that were not exported: {name!r}")):
        verify_bundle(bundle)
    with pytest.raises(OutputExistsError, match=re.escape(f"other files in its folder: {name!r}")):
        model.export(bundle)
    assert (bundle / name).read_text() == "precious"


@pytest.mark.parametrize("name", ["mine", "assets/mine", "variables/mine"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(
    bundle: Path, model: rl.RetrievalModel, kind: str, name: str
):
    (bundle / "assets").mkdir(exist_ok=True)
    (Path.mkdir if kind == "folder" else IRREGULAR[kind][0])(bundle / name)
    with pytest.raises(OutputExistsError, match=f"other files in its folder: '{name}"):
        model.export(bundle)
    assert os.path.lexists(bundle / name)
    if kind == "folder":  # it changes nothing of what is served
        verify_bundle(bundle)


def test_the_folder_that_tensorflow_leaves_empty_may_be_missing_or_not(bundle: Path, model: rl.RetrievalModel):
    for change_it in (lambda: None, lambda: shutil.rmtree(bundle / "assets"), (bundle / "assets").mkdir):
        change_it()
        verify_bundle(bundle)
    model.export(bundle, k=3)
    assert verify_bundle(bundle).k == 3


def test_a_bundle_that_is_replaced_meanwhile_is_looked_at_once_more(
    bundle: Path, model: rl.RetrievalModel, monkeypatch: pytest.MonkeyPatch
):
    sha256 = bundle_manifest.sha256

    def late(path: Path) -> str:
        if read_manifest(bundle).k == 10:
            monkeypatch.setattr(bundle_manifest, "sha256", sha256)
            model.export(bundle, k=3)
        return sha256(path)

    monkeypatch.setattr(bundle_manifest, "sha256", late)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    assert verify_bundle(bundle).k == 3


def test_a_file_where_a_folder_was(bundle: Path):
    shutil.rmtree(bundle / "variables")
    (bundle / "variables").write_text("")
    with pytest.raises(ModelFileError, match="not whole, it lacks: 'variables/variables.data"):
        verify_bundle(bundle)


DIGEST = "0" * 64
COLUMN = {"argument": "user_id", "dtype": "int64", "shape": [None]}
VERSIONS = {"reciperec_layers": "0.1", "keras": "3", "tensorflow": "2"}
FINGERPRINTS: dict[str, Any] = {"corpus": "0" * 32, "candidate_ids": "0" * 32, "query_vocabularies": []}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        *((name, [0, -1, 2**63, 1.0, True, "1", None, [1]]) for name in ("num_candidates", "embedding_dim", "k")),
        ("index", ["", None, 3]),
        ("candidate_id", [None, 3, ["recipe_id"]]),
        ("candidate_id_dtype", ["int32", "str", None, ["int64"], 64]),
        ("versions", [{}, [], None, {**VERSIONS, "keras": 3}, {**VERSIONS, "other": ""}, {"keras": "3"}]),
        (
            "columns",
            [
                *({}, [], None, {"user_id": None}, {"user_id": {}}, {"user_id": {**COLUMN, "more": 1}}),
                *({"user_id": {**COLUMN, "argument": argument}} for argument in ("", "1", "a b", None, 3)),
                *({"user_id": {**COLUMN, "dtype": dtype}} for dtype in ("", "int", "text", None, 3)),
                *({"user_id": {**COLUMN, "shape": shape}} for shape in ([], None, [3], [None, -1], [None, 1.5], "n")),
                {"a": COLUMN, "b": COLUMN},
            ],
        ),
        (
            "fingerprints",
            [
                *({}, [], None),
                *({**FINGERPRINTS, "corpus": value} for value in (None, "", "0" * 31, "G" * 32, "A" * 32, 7)),
                *({**FINGERPRINTS, "candidate_ids": value} for value in (None, "", "0" * 33)),
                *({**FINGERPRINTS, "query_vocabularies": value} for value in (None, {}, "0" * 32, ["0" * 31], [None])),
            ],
        ),
        (
            "files",
            [
                *({}, [], None, {"a": DIGEST}),
                *({"saved_model.pb": value} for value in ("", None, "0" * 63, "g" * 64, "A" * 64, DIGEST + "\n", 7)),
                *(
                    {"saved_model.pb": DIGEST, name: DIGEST}
                    for name in ("", ".", "..", "../a", "a/../../b", "/a", "./a", "a//b", "a/", "a\0", "manifest.json")
                ),
            ],
        ),
    ],
)
def test_a_field_that_cannot_be_is_named(bundle: Path, field: str, values: list[Any]):
    verify_bundle(bundle)
    for value in values:
        change(bundle, **{field: value})
        with pytest.raises(ModelFileError, match=f"manifest.json is damaged: '{field}'. Received: {field}="):
            verify_bundle(bundle)


def test_a_manifest_that_is_not_one(bundle: Path):
    manifest = bundle / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for content, message in (
        (b"", "damaged"),
        (b"\xff", "damaged"),
        (b"[" * 100_000, "damaged"),
        (text.replace('"k": 10', '"k": ' + "1" * 5000).encode(), "damaged"),
        (text.replace('"k": 10', '"k": NaN').encode(), "damaged: 'k'"),
        (text.replace('"k": 10', '"k": 10, "k": 11').encode(), "a name is there twice"),
        (text.replace('"format_version": 1', '"format_version": true').encode(), "only version 1"),
        (text.replace('"format_version": 1', '"format_version": 1.0').encode(), "only version 1"),
        (b"null", "belongs to something else"),
        (b'"text"', "belongs to something else"),
    ):
        manifest.write_bytes(content)
        with pytest.raises(ModelFileError, match=message):
            verify_bundle(bundle)


@pytest.mark.parametrize("path", ["a" * 300, "bun\0dle", "bun\udcffdle", "a/" * 3000])
def test_names_that_no_folder_can_have(path: str, model: rl.RetrievalModel):
    with pytest.raises(ModelFileError, match="there is no such folder"):
        verify_bundle(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**64) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    field=st.sampled_from(["versions", "columns", "index", "k", "fingerprints", "files", "format", "format_version"]),
    value=JSON,
    bit=st.integers(0),
)
def test_any_manifest_is_whole_or_one_clear_error(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, field: str, value: Any, bit: int
):
    bundle = Path(shutil.copytree(whole, tmp_path_factory.mktemp("any") / "bundle"))
    change(bundle, **{field: value})
    with suppress(ModelFileError):
        assert getattr(verify_bundle(bundle), field, value) == value
    content = bytearray((whole / "manifest.json").read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    (bundle / "manifest.json").write_bytes(content)
    with suppress(ModelFileError):
        read_manifest(bundle)
