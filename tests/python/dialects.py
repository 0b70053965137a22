"""The same cells in the two script languages."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Dialect:
    language: str
    endless: str
    throw: str
    """Ends with an error that says `on purpose`."""
    nothing: str
    """What a missing value looks like."""

    def say(self, text: str) -> str:
        return f'print("{text}")' if self.lua else f'console.log("{text}")'

    def keep(self, name: str, number: int) -> str:
        """Sets a global."""
        return f"{name} = {number}" if self.lua else f"globalThis.{name} = {number}; undefined"

    def busy(self, milliseconds: int) -> str:
        """Computes for some time."""
        if self.lua:
            return f"local till = ctx.now() + {milliseconds} while ctx.now() < till do end"
        return f"{{ const till = ctx.now() + {milliseconds}; while (ctx.now() < till) {{}} }}"

    def lines(self, count: int, width: int) -> str:
        """Prints lines of `width` bytes."""
        if self.lua:
            return f'local line = ("x"):rep({width - 1}) for i = 1, {count} do print(line) end'
        return f'{{ const line = "x".repeat({width - 1}); for (let i = 0; i < {count}; i++) console.log(line) }}'

    def ask(self, prompt: str, password: bool = False) -> str:
        """Asks and prints the answer with its prompt."""
        if self.lua:
            return f'print("got " .. input("{prompt}"{", {password = true}" if password else ""}))'
        return f'console.log("got " + await input("{prompt}"{", {password: true}" if password else ""}))'

    @property
    def lua(self) -> bool:
        return self.language == "lua"


LUA = Dialect("lua", "while true do end", 'error("on purpose")', "nil")
JS = Dialect("js", "while (true) {}", 'throw new Error("on purpose")', "undefined")

both = pytest.mark.parametrize("dialect", [LUA, JS], ids=lambda dialect: dialect.language)
