"""The sweep as a script: `python scripts/sweep.py --quick` is `lowbit sweep --quick`."""

import sys

from lowbit.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "sweep")
    main()
