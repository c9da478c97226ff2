"""A simulator of gateway processes, their database and their vendor: `python -m tests.simulate`, or `make simulate`."""
