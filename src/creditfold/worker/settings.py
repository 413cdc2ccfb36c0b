"""What a worker is told, by flags or by the environment, and one message for all that is wrong."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from socket import gethostname
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from creditfold.broker.connection import Connection
from creditfold.broker.credentials import settings_fault
from creditfold.broker.plan import APPLICATION, changelog, plan
from creditfold.contract.partitions import PARTITIONS
from creditfold.contract.topics import RANK
from creditfold.engine.config import MECHANISMS, PROTOCOLS, EngineConfig, Security

PREFIX = "CREDITFOLD_"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # compared with, not bound to

_CLIENTS = (
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
)
"""The client library's names; a setting's is the same with underscores."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,199}$")]
Brokers = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")
]


class LogFormat(StrEnum):
    """Lines for people or for programs; `auto` looks whether stderr is a terminal."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """From where on creditfold's own lines are written; libraries begin at warning."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class WorkerSettings(BaseSettings):
    """One worker's settings; all workers of an application share all but state_dir and http_*."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    kafka: Brokers = Field("localhost:9092", description="Brokers as host:port, by commas.")
    security_protocol: Annotated[str, StringConstraints(to_upper=True)] = Field(
        PROTOCOLS[0], description=f"How to connect: {', '.join(PROTOCOLS)}."
    )
    sasl_mechanism: str | None = Field(None, description=f"{', '.join(MECHANISMS)}.")
    sasl_username: str | None = Field(None, description="Who logs in.")
    sasl_password: SecretStr | None = Field(None, description="Their password.")
    ssl_ca_location: Path | None = Field(
        None, description="Who signed the brokers' certificates; else whom the system trusts."
    )
    ssl_certificate_location: Path | None = Field(
        None, description="Our own certificate, where brokers ask for one."
    )
    ssl_key_location: Path | None = Field(None, description="Its key.")
    ssl_key_password: SecretStr | None = Field(None, description="The key's password.")
    application: Name = Field(APPLICATION, description="Consumer group and name of the changelog.")
    state_dir: Path = Field(
        Path("creditfold-state"), description="This worker's own directory on a local disk."
    )
    partitions: int = Field(PARTITIONS, ge=1, description="Partitions of every topic.")
    replication: int = Field(1, ge=1, le=5, description="Replicas of a changelog made here.")
    standbys: int = Field(1, ge=0, le=5, description="Warm copies of each partition's state.")
    dead_letters_max: int = Field(
        100, ge=0, le=1_000, description="Unreadable records of 1,000 before a partition halts."
    )
    session_seconds: float = Field(15.0, ge=3.0, le=300.0, description="The group's time-out.")
    transaction_seconds: float = Field(20.0, ge=5.0, le=300.0, description="A batch's time-out.")
    stalled_seconds: float = Field(
        60.0, ge=5.0, description="Standing still with work at hand so long fails /healthz."
    )
    http_host: str = Field("127.0.0.1", description="Where HTTP listens; it asks for no password.")
    http_port: int = Field(8080, ge=0, le=65_535, description="Its port; 0 takes a free one.")
    advertised_url: str | None = Field(
        None, pattern=r"^https?://[^/\s]+$", description="How other workers name this one."
    )
    log_format: LogFormat = Field(LogFormat.AUTO, description="auto, json or console.")
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error.")

    @model_validator(mode="after")
    def _state_is_a_directory(self) -> WorkerSettings:
        if self.state_dir.exists() and not self.state_dir.is_dir():
            raise ValueError(f"{PREFIX}STATE_DIR: {self.state_dir} is a file; name a directory")
        if (self.state_dir / "CURRENT").exists():
            raise ValueError(
                f"{PREFIX}STATE_DIR: {self.state_dir} holds a database that is no worker's, such "
                "as an embedded log; name another directory"
            )
        return self

    @model_validator(mode="after")
    def _can_log_in(self) -> WorkerSettings:
        fault = settings_fault(self.connection().options)
        if fault is not None:
            raise ValueError(f"{fault[0]}: {fault[1]} ({PREFIX}SASL_USERNAME is sasl.username)")
        self._security()
        return self

    def connection(self) -> Connection:
        """The cluster, for commands and for what a worker asks beside its engine."""
        told = {name: getattr(self, name.replace(".", "_")) for name in _CLIENTS}
        return Connection(
            self.kafka, {name: _plain(value) for name, value in told.items() if value is not None}
        )

    def _security(self) -> Security:
        return Security(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=_secret(self.sasl_password),
            ca_file=self.ssl_ca_location,
            certificate_file=self.ssl_certificate_location,
            key_file=self.ssl_key_location,
            key_password=_secret(self.ssl_key_password),
        )

    def advertised(self, port: int) -> str:
        """The address that other workers answer with; each worker needs one of its own."""
        if self.advertised_url is not None:
            return self.advertised_url
        host = gethostname() if self.http_host in _EVERYWHERE else self.http_host
        return f"http://{host}:{port}"

    def engine(self) -> EngineConfig:
        """What the engine is told: inputs in the order in which ties of time are folded."""
        return EngineConfig(
            application=self.application,
            brokers=self.kafka,
            inputs=tuple(sorted(RANK, key=RANK.__getitem__)),
            changelog=changelog(self.application),
            state=self.state_dir,
            partitions=self.partitions,
            replication=self.replication,
            changelog_settings=plan(self.application, max(self.replication - 1, 1))[-1].settings,
            standbys=self.standbys,
            session_seconds=self.session_seconds,
            transaction_seconds=self.transaction_seconds,
            security=self._security(),
        )


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


class WrongSettings(Exception):  # noqa: N818  # it says what is the case
    """The worker cannot start with these; the message names all that is wrong with them."""


def load(**flags: object) -> WorkerSettings:
    """The settings in force: a flag that is not None wins over the environment."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return WorkerSettings(**given)  # type: ignore[arg-type]  # flags carry the fields' types
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = "; ".join(_fault(fault["loc"], fault["msg"], given) for fault in faults)
        raise WrongSettings(f"the settings are wrong: {wrong}") from None


def _fault(loc: tuple[int | str, ...], message: str, flags: dict[str, object]) -> str:
    said = message.removeprefix("Value error, ")
    if not loc:
        return said
    field = str(loc[0])
    flag = f"--{field.replace('_', '-')}"
    return f"{flag if field in flags else PREFIX + field.upper()}: {said}"
