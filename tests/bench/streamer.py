"""One bulk stream B → E through the hub's socket, file to file, with the hub kit's own client.

Run as ``python -m tests.bench.streamer SOCKET INPUT OUTPUT PURPOSE`` in a process of its own, so that
its memory is its own. Prints one line of JSON: lines, seconds, peak memory of this process in MB.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from appliance.hubkit.client import Client
from tests.bench.processes import peak_megabytes


def main() -> None:
    """Stream a file."""
    socket_path, source, target, purpose = sys.argv[1:5]
    with Client(socket_path, timeout=60) as client, Path(source).open("rb") as lines, Path(target).open("wb") as out:
        begin = time.perf_counter()
        with client.convert_stream("sspin.B", "sspin.E", lines, purpose=purpose, reference="bench") as stream:
            count = stream.write_to(out)
        seconds = time.perf_counter() - begin
    print(json.dumps({"lines": count, "seconds": seconds, "megabytes": peak_megabytes(os.getpid())}))


if __name__ == "__main__":
    main()
