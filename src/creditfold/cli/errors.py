"""How a command ends: exit codes, and one sentence that says what to do."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    STORAGE = 3
    DEFECT = 70
    INTERRUPTED = 130


class CommandError(Exception):
    """The command ends here; the message is for people and says what to do."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def explained(error: BaseException) -> CommandError:
    """The sentence and the code for whatever a command raised."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return CommandError(
            "interrupted: what was acknowledged is safe; run the same command again",
            Exit.INTERRUPTED,
        )
    names = {each.__name__ for each in type(error).__mro__}  # by name: their modules load much
    if names & {"BrokerProblem", "BrokerUnavailable", "StorageError"}:
        return CommandError(str(error), Exit.STORAGE)
    if "WrongSettings" in names:
        return CommandError(str(error))
    if type(error) is Exception:  # RocksDB's errors have no type of their own
        return CommandError(
            f"the data directory cannot be used ({error}): look at its disk; what was "
            "acknowledged is safe",
            Exit.STORAGE,
        )
    return CommandError(
        f"this is a defect of creditfold ({type(error).__name__}: {error}); run the command again "
        "with CREDITFOLD_DEBUG=true and report what it prints",
        Exit.DEFECT,
    )
