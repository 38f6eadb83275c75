"""`python -m lowbit` is `lowbit`, where its script is not on the path."""

from lowbit.cli import main

main()
