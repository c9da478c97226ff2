"""How quickly the console's pages answer over many usage records: `make scale`."""
