"""What the figures were measured on, and with which versions."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.world import softhsm

LIBRARIES = ("kagimori", "python-pkcs11", "numpy", "aiohttp", "msgspec", "pyarrow", "dask", "fastfpe", "ff3", "pyffx")


def machine() -> dict[str, str]:
    """Processor, cores, memory, kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1e6:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python, OpenSSL, SoftHSM and the libraries that matter for speed."""
    tool = [str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"]), "--version"]
    hsm = subprocess.run(tool, check=True, capture_output=True, text=True).stdout.strip()
    base = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION.split()[1], "softhsm": hsm}
    return {**base, **{name: _version(name) for name in LIBRARIES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
