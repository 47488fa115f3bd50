"""The version, in a room of its own: modules that write it down need not import the whole package."""

__version__ = "0.2.0"
