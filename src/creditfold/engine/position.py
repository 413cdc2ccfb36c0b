"""The position record: how far a partition is, committed together with what got it there."""

import msgspec


class Position(msgspec.Struct, frozen=True):
    """What the partition's last transaction left; its successor starts from here.

    `next` is the first offset not yet folded, `ids` the topic ids those offsets belong to.
    """

    batch: int = 0
    now: int = 0
    next: dict[str, int] = {}
    ids: dict[str, str] = {}
    note: bytes = b""

    def encode(self) -> bytes:
        """Return the value of the changelog's position record."""
        return msgspec.json.encode(self)

    def start(self, topic: str, topic_id: str) -> int:
        """Return where to read on; a topic that was made anew starts at 0."""
        if self.ids.get(topic, topic_id) != topic_id:
            return 0
        return self.next.get(topic, 0)


def decode(value: bytes) -> Position:
    """Read a position record back."""
    return msgspec.json.decode(value, type=Position)
