"""A request's body, bounded in size and in time, for every route that takes one from outside."""

import asyncio

from starlette.requests import Request

from bugcommand_operator.gateway.refusals import TooLarge, TryLater

_SECONDS = 30.0
_LONGEST_NUMBER = 18
"""Digits. What is longer is larger than any bound, and not worth reading as a number."""


def declared_size(request: Request, most: int) -> int:
    """How much the body takes; a sender that does not say is given room for the largest."""
    declared = request.headers.get("Content-Length", "")
    if not (declared.isascii() and declared.isdigit()):
        return most
    if len(declared) > _LONGEST_NUMBER or int(declared) > most:
        raise TooLarge("TooLarge", f"the body is larger than {most} bytes")
    return int(declared)


async def read_body(request: Request, size: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > size:
                    raise TooLarge("TooLarge", f"the body is larger than {size} bytes")
    except TimeoutError as error:
        raise TryLater("BodyTooSlow", f"the body did not arrive in {_SECONDS:.0f} s") from error
    return bytes(body)
