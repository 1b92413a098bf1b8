"""`python -m coprocsim`: the command line, where its script is not on the path."""

import sys

from coprocsim.cli import program

if __name__ == "__main__":
    sys.exit(program())
