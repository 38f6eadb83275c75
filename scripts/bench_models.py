"""The race as a script: `python scripts/bench_models.py NAME` is `lowbit bench models NAME`.

python scripts/bench_models.py --csv scripts/results --steps     writes what the README shows
"""

import sys

from lowbit.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["bench", "models"]
    main()
