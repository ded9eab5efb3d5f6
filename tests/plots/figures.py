"""What tests read out of figures."""

from __future__ import annotations

import io

PNG = b"\x89PNG\r\n\x1a\n"


def png(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def lines(axes):
    """Lines by color and style, as x and y."""
    return {(line.get_color(), line.get_linestyle()): line.get_xydata() for line in axes.lines}


def texts(axes):
    return [text.get_text() for text in axes.texts]
