"""What can go wrong with the store; the class of an exception is its classification.

`StoreUnavailable` and its subclasses may pass when tried again, `StoreRejected` will not.
"""


class StoreError(Exception):
    """Anything that kept the store from doing what it was asked."""


class StoreUnavailable(StoreError):
    """Temporary: the database is away, locked, or not migrated yet. Nothing was stored."""


class StoreFull(StoreUnavailable):
    """The volume or the database has no room left. Space can be made, so this is temporary too."""


class StoreRejected(StoreError):
    """Permanent: the database refuses these values, whenever they are sent."""


class BadQuery(StoreError):
    """Permanent: the question has no meaning here, such as a column that is not there."""


class TooBroad(StoreError):
    """The question would read more than it may: ask for less, or more precisely."""
