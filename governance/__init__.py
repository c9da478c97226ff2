"""Bursar: cost and usage governance for LLM APIs. Each package below is one room of the house; see its README."""
