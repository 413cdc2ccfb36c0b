"""Why a worker stops; each says what an operator has to know."""


class EngineError(Exception):
    """The worker ends: going on could lose or double something."""


class RefusedToStart(EngineError):  # noqa: N818  # says what is the case
    """What was found contradicts what must hold; somebody has to look before it runs again."""


class Fenced(EngineError):  # noqa: N818  # the same
    """Another worker has taken the partition over; nothing of the open batch was committed."""


class ClockSkew(EngineError):  # noqa: N818  # the same
    """The host's clock and the broker's differ too much for the log's time to be trusted."""


class Halted(Exception):  # noqa: N818  # a state of one partition, not an error of the worker
    """The fold failed in a way that every worker would repeat; the partition stands still."""
