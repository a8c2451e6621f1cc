"""Arguments and results as JSON, by the annotations of a function.

``codec`` has what a codec is, ``kinds`` the simple ones, ``shapes`` those made of others, and
``signature`` puts a function's together.
"""

from .signature import Schema, Unknown

__all__ = ["Schema", "Unknown"]
