"""Why a step ended: the exception's class is its classification, its name the reason that users see."""


class WorkspaceError(Exception):
    """Something went wrong that this program understands; the message is one actionable line."""

    exit_code = 1
    said = ""
    """Git's own words, where it was git that complained."""

    @property
    def reason(self) -> str:
        return type(self).__name__


class Permanent(WorkspaceError):
    """Trying the same again gives the same answer."""

    exit_code = 20


class Transient(WorkspaceError):
    """May pass when tried again."""

    exit_code = 21


class InvalidSpec(Permanent):
    pass


class InvalidRepositoryURL(Permanent):
    pass


class NotAGitRepository(Permanent):
    pass


class AuthenticationFailed(Permanent):
    pass


class BaseRefNotFound(Permanent):
    pass


class MirrorCorrupt(Permanent):
    pass


class VolumeFull(Permanent):
    pass


class WorkingDirectoryNotFound(Permanent):
    pass


class WorkingDirectoryOutsideTree(Permanent):
    pass


class ScopeViolated(Permanent):
    pass


class MentuPathChanged(Permanent):
    pass


class PushRejected(Permanent):
    pass


class ExportFailed(Permanent):
    pass


class ExportTooLarge(Permanent):
    pass


class WorkspaceFailed(Permanent):
    pass


class RepositoryUnreachable(Transient):
    pass


class Refused(Permanent):
    """A genesis key said no; which rule it was is the reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self._reason = reason

    @property
    def reason(self) -> str:
        return self._reason
