"""The command line as `python -m reciperec_layers.cli`."""

from __future__ import annotations

import sys

from reciperec_layers.cli import main

if __name__ == "__main__":
    sys.exit(main())
