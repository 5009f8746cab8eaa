"""The version, in one place that nothing needs gradlab itself to read."""

__version__ = "0.1.0"
