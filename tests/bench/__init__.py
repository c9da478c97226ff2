"""The bench: what the gateway costs per call, beside nginx and a direct call. Run it with `make bench`."""
