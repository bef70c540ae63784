"""Entry point of `python -m iidi_synthesizer`."""

import sys

from iidi_synthesizer.cli import main

if __name__ == "__main__":
    sys.exit(main())
