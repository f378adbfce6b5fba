"""How does a worker stay out of the cluster until its appliance serves?

``dask worker … --preload appliance.cluster.preload``. Without it, a worker whose appliance is
away joins, is given a partition, and leaves again, over and over.
"""

from __future__ import annotations

import asyncio
import logging

from distributed import Worker

from appliance.cluster.node import ready, socket_path

PAUSE = 0.5  # seconds between two looks
REMIND = 120  # looks between two lines in the log
_log = logging.getLogger("distributed.worker")


async def dask_setup(worker: Worker) -> None:
    """Wait for this node's appliance; Dask calls it before the worker registers.

    Raises:
        JobRefused: the worker was not told which appliance is its own. Dask writes it into the worker's log and lets
            the worker join; a job that uses it ends with the same error.
    """
    path = socket_path()
    looks = 0
    while not await asyncio.to_thread(ready, path):
        if looks % REMIND == 0:
            _log.warning("%s waits for its appliance at %s", worker.name, path)
        looks += 1
        await asyncio.sleep(PAUSE)
