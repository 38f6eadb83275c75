"""Whole networks against other people's runtimes: the same float network in each, in turns."""
