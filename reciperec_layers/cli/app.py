"""The typer application, and the one place that runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

from reciperec_layers.cli.check_tfrs import check_tfrs
from reciperec_layers.cli.compare import compare
from reciperec_layers.cli.demo import demo
from reciperec_layers.cli.evaluate import evaluate
from reciperec_layers.cli.export import export
from reciperec_layers.cli.migrate import migrate
from reciperec_layers.cli.output import say_error
from reciperec_layers.cli.recommend import recommend
from reciperec_layers.cli.registered import indexes, towers
from reciperec_layers.cli.train import train
from reciperec_layers.version import __version__

# Without markup mode neither help nor usage errors go through rich, which would read brackets in names as markup.
app = typer.Typer(
    name="reciperec",
    help="Two-tower retrieval: from two CSV files to a saved model that recommends.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
for command in (train, compare, evaluate, recommend, export, towers, indexes, demo, migrate):
    app.command()(command)
app.command(name="check-tfrs")(check_tfrs)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"reciperec-layers {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code. A usage error prints one line, like every other error.

    Example:
        >>> run(["--version"])
        reciperec-layers ...
        0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may contain letters the terminal cannot show
    words = sys.argv[1:] if arguments is None else list(arguments)
    command = typer.main.get_command(app)
    try:
        return command.main(args=words or ["--help"], prog_name="reciperec", standalone_mode=False) or 0
    except typer.exceptions.TyperException as error:
        say_error(f"{error.format_message().replace(': Value error, ', ': ').rstrip('.')}. Try --help.")
        return 2
