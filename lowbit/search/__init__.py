"""Mixed precision: which layers bear few bits, and the best widths for a budget.

A float network is trained once. A candidate is that network with LSQ at a width a layer, its steps
from one batch and its batch norms estimated anew, not trained: accuracy on images held back ranks
candidates, and the best are then trained as ordinary trials of a sweep.
"""
