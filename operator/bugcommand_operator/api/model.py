"""What all resource models share: camelCase outside, snake_case inside, unknown fields dropped."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

Quantity = Annotated[
    str | int,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY,
            "maxLength": 32,
        }
    ),
]


_NONE_NOTED: set[str] = set()
"""Shared by all; pydantic's own copies of a model copy it, too."""


class Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    def to_dict(self) -> dict[str, Any]:
        """As the API server takes it: camelCase, absent rather than null."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


ModelT = TypeVar("ModelT", bound=Model)


def lean(model: ModelT) -> ModelT:
    """Without pydantic's notes of which fields were given: a third of what a command takes of memory, and of what was
    read nobody asks them."""
    object.__setattr__(model, "__pydantic_fields_set__", _NONE_NOTED)
    for value in model.__dict__.values():
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, Model):
                lean(each)
    return model


class LocalReference(Model):
    """Another object of the same namespace, by name."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]


def rule(expression: str, message: str, **more: str) -> dict[str, str]:
    """One CEL rule of `x-kubernetes-validations`."""
    return {"rule": expression, "message": message, **more}


def rules(*each: dict[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(each)}
