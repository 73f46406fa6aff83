"""`python -m service`."""

import sys

from service.program.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
