"""Why a command from outside is not taken. Each says which field is at fault and what to do about it."""

from bugcommand_operator.gateway.refusals import Refusal


class Untranslatable(Refusal):
    """422, permanent: well-formed, but it makes no BugCommand."""

    status = 422


class NotTheSame(Refusal):
    """409, permanent: the key was used for another request."""

    status = 409
