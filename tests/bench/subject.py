"""The engine's own code on a world's token, in this process: what the bench measures without a socket."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.engine.converter import Converter
from appliance.ledger import chain, files
from appliance.memory import keep_freed_memory
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.domains import Generation
from appliance.token import Token
from tests.world import World

BATCH = 8192
B, E = Generation("sspin.B", 1), Generation("sspin.E", 1)


@dataclass(frozen=True)
class Subject:
    """A converter on the token, and numbers that exist: ``count`` lines of B and the same people's of E."""

    encrypt_blocks: EncryptBlocks
    converter: Converter
    count: int
    b_text: bytes
    e_text: bytes

    def convert_batch(self) -> int:
        """One batch of lines B → E, text to text; how many."""
        done = self.converter.convert_lines(B, E, self.b_text)
        if done.text != self.e_text:
            raise SystemExit("bench: the engine answered a wrong number")
        return self.count


@contextmanager
def subject(world: World) -> Iterator[Subject]:
    """Log in to the world's token as the engine does, in a process that keeps its memory as an engine does."""
    keep_freed_memory()
    state = chain.verify(files.read(world.ledger), world.anchor)
    with Token.open(world.module, label=state.token_label, serial=state.token_serial, pin=world.pin) as token:
        converter = Converter(state, lambda key: token.encrypt_blocks(key.key_id, key.check_value))
        codes = b"".join(b"%011d\n" % secrets.randbelow(10**11) for _ in range(BATCH))
        b_text = converter.convert_lines(None, B, codes).text
        e_text = converter.convert_lines(B, E, b_text).text
        key = state.keys[state.current["common"]]
        yield Subject(token.encrypt_blocks(key.key_id, key.check_value), converter, BATCH, b_text, e_text)
