"""8-bit networks from trained float models: calibrate, quantize, inspect."""
