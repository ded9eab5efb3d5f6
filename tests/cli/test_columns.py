"""Which columns `reciperec train` reads: proposals, names, a table of queries, and config files."""

from __future__ import annotations

import shlex
import warnings

import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.features.column_profile import ColumnProfile

RECIPES = {"recipe_id": range(200, 220), "kind": ["soup", "pie"] * 10, "minutes": [5, 60, 7, 90, 30] * 4}
TOP_10 = "factorized_top_k/top_10_categorical_accuracy"


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    """Interactions, recipes with features, users, and a folder."""
    folder = tmp_path_factory.mktemp("files")
    lines = ["recipe_id,kind,minutes", *map("{},{},{}".format, *RECIPES.values())]
    (folder / "recipes.csv").write_text("\n".join(lines) + "\n")
    users = [f"{7000 + user},{user % 3:02d},{20 + user}" for user in range(30)]
    (folder / "users.csv").write_text("\n".join(["user_id,diet,age", *users]) + "\n")
    return data[0], folder / "recipes.csv", folder / "users.csv", folder


@pytest.fixture(scope="module")
def with_users(files):
    """A model that reads a table of queries, which is not in its file, and what was said of it."""
    from tests.cli.conftest import reciperec

    out = files[3] / "users.keras"
    read = ("--leave-out", "user_id", "--columns", "diet,age,kind")
    options = ("--queries", files[2], *read, "--epochs", 3, "--batch-size", 64, "--learning-rate", 0.1)
    return out, reciperec("train", *files[:2], "--out", out, *options, "--json").document()


def test_what_is_read_and_what_not_is_said(files, tmp_path, run):
    out = tmp_path / "model.keras"
    finished = run("train", *files[:2], "--out", out, "--epochs", 1, "--explain")
    assert finished.code == 0, finished.err
    of_queries, of_candidates = "user_id, dateLastModified", "kind, minutes, recipe_id"
    said = f"Read of queries: {of_queries}; of candidates: {of_candidates}; left out: rating (constant)."
    assert said in finished.out
    assert "column            encoder  distinct  missing  reason" in finished.out
    model = rl.load_model(out)
    assert model.query_tower.features == ("user_id",)
    assert model.prior.time == "dateLastModified"


@pytest.mark.parametrize("tower", ["feature", "mixture"])
def test_each_column_is_looked_at_once(files, tmp_path, run, monkeypatch, tower):
    looked_at = []

    def profile(name, values):
        looked_at.append(name)
        return ColumnProfile(name, values)

    monkeypatch.setattr("reciperec_layers.features.proposing.ColumnProfile", profile)
    words = ("--candidate-tower", tower, "--query-tower", tower, "--epochs", 1, "--json")
    report = run("train", *files[:2], "--out", tmp_path / "model.keras", *words).document()
    found = [each["column"] for side in report["columns"].values() for each in side]
    assert sorted(looked_at) == sorted(name for name in found if name != "dateLastModified")


def test_columns_are_named_for_both_sides(files, tmp_path, run):
    out = tmp_path / "model.keras"
    options = ("--columns", "dateLastModified, kind", "--leave-out", "recipe_id", "--prior", "none", "--epochs", 1)
    report = run("train", *files[:2], "--out", out, *options, "--json").document()
    assert report["reads"] == {"queries": ["dateLastModified", "user_id"], "candidates": ["kind"]}
    assert report["left_out"]["recipe_id"] == "left out by `leave_out`"
    assert rl.load_model(out).prior is None
    assert run(*shlex.split(report["next_command"])[1:]).code == 0
    assert run("evaluate", out, files[0], "--json").code == 0
    exported = run("export", out, tmp_path / "bundle").out
    assert f"dateLastModified {-(2**63)} is a missing time, which is now, the newest time of training.\n" in exported
    serve = tf.saved_model.load(str(tmp_path / "bundle")).signatures["serving_default"]
    served = serve(user_id=tf.constant([7003], tf.int64), dateLastModified=tf.constant([-(2**63)], tf.int64))
    ids = rl.load_model(out).recommend({"user_id": [7003]})[1]
    assert served["ids"].numpy().tolist() == ids.tolist()


def test_a_time_that_is_left_out_is_not_the_priors_either(files, tmp_path, run):
    out = tmp_path / "model.keras"
    options = ("--leave-out", "dateLastModified", "--query-tower", "id", "--candidate-tower", "id", "--epochs", 1)
    report = run("train", *files[:2], "--out", out, *options, "--json").document()
    assert report["reads"] == {"queries": ["user_id"], "candidates": ["recipe_id"]}
    assert report["split"] == "time"
    assert rl.load_model(out).prior.time is None


def test_what_is_known_of_queries_is_joined(files, with_users, run):
    out, report = with_users
    assert report["reads"]["queries"] == ["age", "diet", "dateLastModified"]
    words = shlex.split(report["next_command"])[1:]
    assert words[-4:] == ["--queries", str(files[2]), "--interactions", str(files[0])]
    assert run(*words).code == 0

    model = rl.load_model(out)
    model.set_queries({"user_id": [7003, 7004], "diet": ["0", "1"], "age": [23, 24]})
    expected = model.recommend({"user_id": [7003, 7004]}, k=5)[1].tolist()
    assert expected[0] != expected[1]
    ids = ("--id", 7003, "--id", 7004, "-k", 5, "--json")
    found = run("recommend", out, *ids, "--queries", files[2]).document()["queries"]
    assert [[each["recipe_id"] for each in query["recommendations"]] for query in found] == expected
    rows = files[3] / "rows.csv"
    rows.write_text("user_id,diet,age\n7003,00,23\n7004,01,24\n")
    found = run("recommend", out, "--queries", rows, "-k", 5, "--json").document()["queries"]
    assert [query["id"] for query in found] == [7003, 7004]
    assert [[each["recipe_id"] for each in query["recommendations"]] for query in found] == expected


def test_a_table_of_queries_is_evaluated_and_exported_with(files, with_users, tmp_path, run):
    out, report = with_users
    test_rows = tmp_path / "test.csv"
    lines = files[0].read_text().splitlines()
    test_rows.write_text("\n".join([lines[0], *lines[-120:]]) + "\n")
    evaluated = run("evaluate", out, test_rows, "--queries", files[2], "--json").document()
    assert evaluated["metrics"]["model"] == report["metrics"]["model"]
    lacking = run("evaluate", out, test_rows)
    assert (lacking.code, "there is no column 'age'" in lacking.only_error()) == (2, True)
    assert lacking.only_error().endswith("What is known of queries by their id is given by --queries QUERIES.csv.")
    with_it = test_rows.with_name("with_it.csv")
    with_it.write_text("user_id,recipe_id,age,diet\n7001,201,30,00\n")
    assert run("evaluate", out, with_it).code == 0
    (tmp_path / "ages.csv").write_text("user_id,age\n7001,30\n")
    assert "--queries" in run("evaluate", out, test_rows, "--queries", tmp_path / "ages.csv").only_error()

    finished = run("export", out, tmp_path / "bundle", "--queries", files[2], "-k", 3)
    assert ": from user_id to the best 3 of 20 candidates.\n" in finished.out, finished.err
    exported = tf.saved_model.load(str(tmp_path / "bundle")).signatures["serving_default"]
    ids = exported(user_id=tf.constant([7004], tf.int64))["ids"].numpy()[0].tolist()
    words = ("recommend", out, "--id", 7004, "--queries", files[2], "-k", 3, "--json")
    (query,) = run(*words).document()["queries"]
    assert ids == [each["recipe_id"] for each in query["recommendations"]]


def test_a_table_of_queries_is_kept_where_that_is_asked_for(files, tmp_path, run):
    out = tmp_path / "model.keras"
    options = ("--queries", files[2], "--keep-queries", "--epochs", 1)
    report = run("train", *files[:2], "--out", out, *options, "--json").document()
    assert "--queries" not in report["next_command"]
    ids = ("--id", 7003, "-k", 20, "--json")
    kept = run("recommend", out, *ids).document()["queries"]
    assert kept == run("recommend", out, *ids, "--queries", files[2]).document()["queries"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "user_id,age\n7001,20\n7002,20\n7001,30\n",
            "users.csv: column 'user_id': 1 of 3 ids are repeats: '7001'. Keep one row for each id.",
        ),
        (
            "user_id,age\n7,1\n7,2\n8,1\n7,3\n8,2\n",
            "users.csv: column 'user_id': 3 of 5 ids are repeats: '7', '8'. Keep one row for each id.",
        ),
        ("who,age\n7001,20\n", "users.csv: there is no column 'user_id'"),
        ("user_id,age\n", "no rows"),
    ],
)
def test_a_table_of_queries_that_does_not_fit(files, tmp_path, run, table, expected):
    path = tmp_path / "users.csv"
    path.write_text(table)
    finished = run("train", *files[:2], "--out", tmp_path / "model.keras", "--queries", path)
    assert finished.code == 2
    assert expected in finished.only_error()


def test_ids_that_are_text_in_one_file_are_text_in_all(tables, tmp_path, run):
    paths = tables("".join(f"{user},{recipe}\n" for user in (1, 2, 3) for recipe in (11, 12)), "11,Soup\n12,Pie\n")
    users = tmp_path / "users.csv"
    users.write_text("user_id,age\n1,20\n2,30\n3,40\n004,50\n")
    out = tmp_path / "model.keras"
    options = ("--queries", users, "--keep-queries", "--epochs", 1, "--json")
    assert run("train", *paths, "--out", out, *options).code == 0
    (query,) = run("recommend", out, "--id", "004", "--json").document()["queries"]
    assert query["id"] == "004"


CONFIG = """
query_tower: {tower: feature, hidden_units: [8], columns: [dateLastModified]}
candidate_tower: {tower: cross, leave_out: [minutes]}
embedding_dim: 8
epochs: 1
learning_rate: 0.01
"""


def test_a_config_file_says_what_the_command_line_does_not(files, tmp_path, run):
    config, out = tmp_path / "model.yaml", tmp_path / "model.keras"
    config.write_text(CONFIG)
    words = ("train", *files[:2], "--out", out, "--config", config, "--learning-rate", 0.02, "--json")
    report = run(*words).document()
    assert report["reads"] == {"queries": ["dateLastModified", "user_id"], "candidates": ["kind", "recipe_id"]}
    model = rl.load_model(out)
    assert type(model.candidate_tower) is rl.towers.CrossTower
    assert (model.query_tower.embedding_dim, model.query_tower.hidden_units) == (8, (8,))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("epoch: 3", "model.yaml: there is no option 'epoch'. The closest is 'epochs'."),
        ("epochs: three", "`epochs` must be a positive integer"),
        ("epochs: 3.5", "`epochs` must be a positive integer"),
        ("epochs: 1\nepochs: 2", "'epochs' is there twice"),
        (
            "query_tower: {tower: feature, hidden_unit: [8]}",
            "there are no arguments 'hidden_unit'. The closest is 'hidden_units'",
        ),
        ("column: [kind]", "there is no option 'column'. The closest is 'columns'"),
        ("leaveout: [kind]", "there is no option 'leaveout'. The closest is 'leave_out'"),
        (
            "query_tower: {tower: feature, colums: [kind]}",
            "no arguments 'colums'. The closest is 'columns', of from_data.",
        ),
        ("query_tower: {column: [kind]}", "there are no arguments 'column'. The closest is 'columns', of from_data."),
        ("candidate_tower: {tower: mixture, leaveout: [kind]}", "The closest is 'leave_out', of from_data."),
        ("query_tower: {tower: featur}", "Did you mean 'feature'"),
        ("query_tower: {tower: 7}", "`name` must be a string"),
        ("query_tower: [feature]", "`query_tower` must be a name, or a table of the name and options"),
        ("columns: [kindd]", "there is no column 'kindd'"),
        ("columns: [1]", "`columns` must be a list of names"),
        ("sampling_correction: 1", "`sampling_correction` must be true or false"),
        ("prior: recency", "Received: prior='recency'."),
        ("- epochs", "a config must be a table of keys and values"),
        ("epochs: [", "this is not YAML of text, numbers, lists and tables"),
        ("epochs: !!python/object/apply:os.getcwd []", "this is not YAML of text, numbers, lists and tables"),
        ("columns: &all [kind, *all]", "aliases are not taken"),
        ("time: 2026-11-28", "this is not YAML of text, numbers, lists and tables"),
        ("{[1]: 2}", "this is not YAML of text, numbers, lists and tables"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(files, tmp_path, run, config, expected):
    path = tmp_path / "model.yaml"
    path.write_text(config)
    finished = run("train", *files[:2], "--out", tmp_path / "model.keras", "--config", path)
    assert finished.code == 2
    assert expected in finished.only_error()
    assert not list(tmp_path.glob("*.keras"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--config", "none.yaml"), "--config: the file cannot be read (No such file or directory)"),
        (("--columns", "kindd"), "--columns: there is no column 'kindd'"),
        (("--leave-out", "kindd"), "--leave-out: there is no column 'kindd'"),
        (("--columns", "rating"), "column 'rating' of `columns` cannot be read: constant"),
        (("--columns", "kind", "--candidate-tower", "id"), "the tower 'id' of candidates takes no list of columns"),
        (("--prior", "recent"), '`prior` must be "popularity"'),
        (
            ("--query-tower", "text"),
            "TextTower.from_data: no column has a name by which texts are known; the columns are 'user_id', "
            '\'recipe_id\', \'rating\'. Name the column of texts, for example {"tower": "text", "column": "about"}.',
        ),
    ],
)
def test_columns_that_do_not_fit_are_one_line(files, tmp_path, run, options, expected):
    finished = run("train", *files[:2], "--out", tmp_path / "model.keras", *options)
    assert finished.code == 2
    assert expected in finished.only_error()


def test_values_are_read_as_in_training(files, with_users, tmp_path, run):
    out, _ = with_users
    # Beside `x`, pandas reads `01` as text; in training it was a number, as all others.
    rows = tmp_path / "rows.csv"
    rows.write_text("user_id,diet,age\n7003,01,23\n7004,x,24\n")
    first, second = run("recommend", out, "--queries", rows, "-k", 1, "--json").document()["queries"]
    assert (first["features"]["diet"], second["features"]["diet"]) == (1, "x")


def test_a_file_without_columns_that_are_read_names_no_further_queries(with_users, tmp_path, run):
    rows = tmp_path / "rows.csv"
    rows.write_text("user_id,diett\n7003,any\n")
    finished = run("recommend", with_users[0], "--id", 7004, "--queries", rows)
    assert (finished.code, "no column that the query tower reads beside the id" in finished.only_error()) == (2, True)


def test_times_of_queries_are_text_and_may_be_missing(files, tmp_path, run):
    out = tmp_path / "model.keras"
    options = ("--columns", "dateLastModified", "--prior", "none", "--epochs", 1, "--batch-size", 64)
    assert run("train", *files[:2], "--out", out, *options, "--json").code == 0
    rows = tmp_path / "rows.csv"
    rows.write_text("user_id,dateLastModified\n7000,2017-01-05T12:00:00\n7000,\n")
    document = run("recommend", out, "--queries", rows, "-k", 20, "--json").document()
    times = ["2017-01-05T12:00:00", None]
    assert [query["features"] for query in document["queries"]] == [{"dateLastModified": time} for time in times]
    then, now = ([each["score"] for each in query["recommendations"]] for query in document["queries"])
    (query,) = run("recommend", out, "--id", 7000, "-k", 20, "--json").document()["queries"]
    assert now == pytest.approx([each["score"] for each in query["recommendations"]])
    assert then != pytest.approx(now)
    model = rl.load_model(out)
    scores, _ = model.recommend({"user_id": [7000], "dateLastModified": times[:1]}, k=20)
    assert then == pytest.approx(scores[0].tolist(), rel=1e-5)
    rows.write_text("user_id,dateLastModified\n7000,2017-01-05T12:00:00\n7000,soon\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        finished = run("recommend", out, "--queries", rows)
    assert (finished.code, "'soon'; they are read as missing" in finished.err) == (0, True)
