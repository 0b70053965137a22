"""Where the program under test lies, and a home folder of its own for everything that a test run writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = {"yaml": "aikit", "lua": "aikit-lua", "js": "aikit-js"}


def target() -> Path:
    """The folder into which cargo builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def program() -> Path:
    """The `aikit` under test."""
    path = Path(os.environ.get("AIKIT_BIN", target() / "debug" / "aikit")).absolute()
    if not path.is_file():
        raise SystemExit(f"{path} does not exist: build it with `cargo build -p aikit-cli` or name it in AIKIT_BIN")
    return path


def aikit(*args: str, check: bool = False, **options) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    options = {"capture_output": True, "text": True, "timeout": 50, "stdin": subprocess.DEVNULL} | options
    return subprocess.run([str(program()), *args], check=check, **options)


class Home:
    """A folder that stands in for a person's home: data, kernelspecs, the settings of the Jupyter clients."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="aikit-python-"))

    def enter(self) -> None:
        """Points this process, and with it everything that it starts, to the folder."""
        for name in [name for name in os.environ if name.startswith(("JUPYTER_", "AIKIT_")) and name != "AIKIT_BIN"]:
            del os.environ[name]
        self.path.joinpath("runtime").mkdir(mode=0o700)
        os.environ |= {
            "HOME": str(self.path),
            "AIKIT_HOME": str(self.path / "data"),
            "JUPYTER_PATH": str(self.path / "prefix" / "share" / "jupyter"),
            "JUPYTER_DATA_DIR": str(self.path / "jupyter"),
            "JUPYTER_CONFIG_DIR": str(self.path / "jupyter-config"),
            "JUPYTER_RUNTIME_DIR": str(self.path / "runtime"),
            "JUPYTER_PLATFORM_DIRS": "0",
            "IPYTHONDIR": str(self.path / "ipython"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
        }

    def install_kernels(self) -> None:
        """Installs the kernelspecs where only this run sees them."""
        aikit("kernel", "install", "--prefix", str(self.path / "prefix"), check=True)

    def leave(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
