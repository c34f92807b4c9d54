"""The Web API methods, one module per family. Each takes a ``Call`` and returns the answer without ``ok``."""
