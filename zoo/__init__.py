"""Published architectures, each faithful to its paper, scheme-parametrised where it is."""
