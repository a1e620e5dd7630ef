"""`Any` and `NamedTuple` for modules that stand in a pod's way: loading `typing` takes longer than their work.

A type checker sees the real ones. At run time `NamedTuple` makes the same kind of class: an immutable tuple
with named fields, defaults, `_replace` and keyword arguments.
"""

from operator import itemgetter

__all__ = ["Any", "NamedTuple", "NoReturn"]

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, NamedTuple, NoReturn
else:
    Any = NoReturn = object

    class _Fields(type):
        """Turns the annotations of a class body into the fields of a tuple."""

        def __new__(mcs, name, bases, namespace):
            if not bases:
                return super().__new__(mcs, name, (tuple,), namespace)
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            getters = {field: property(itemgetter(number)) for number, field in enumerate(fields)}
            body = {**namespace, **getters, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(mcs, name, bases, body)

    class NamedTuple(metaclass=_Fields):
        __slots__ = ()
        _fields = ()

        def __new__(cls, *values, **named):
            names = cls._fields
            given = dict(zip(names, values, strict=False))
            if len(values) > len(names) or given.keys() & named.keys() or not named.keys() <= set(names):
                raise TypeError(f"{cls.__name__} takes {', '.join(names)}")
            found = {**cls._field_defaults, **given, **named}
            missing = [name for name in names if name not in found]
            if missing:
                raise TypeError(f"{cls.__name__} misses {', '.join(missing)}")
            return tuple.__new__(cls, (found[name] for name in names))

        def __repr__(self):
            pairs = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({pairs})"

        def __getnewargs__(self):
            return tuple(self)

        def _replace(self, **changes):
            return type(self)(**{**dict(zip(self._fields, self, strict=True)), **changes})
