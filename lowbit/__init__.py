"""lowbit: low-bit networks from training to measured speed."""
