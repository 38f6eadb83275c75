"""How trained weights are made: by recipe, resumable, measured on the integer runtime."""
