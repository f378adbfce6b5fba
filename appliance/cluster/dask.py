"""How is a column of a Dask frame converted, each partition by the appliance of the worker it lies on?

A partition whose appliance does not serve is not lost and does not fail the job: its worker leaves the cluster (its
other results are copied away first, its nanny starts it anew, `appliance.cluster.preload` keeps it out until the
appliance is back), and the scheduler gives the partition to another worker. A partition that runs again is converted
again and recorded again, in whichever log: records say what was asked, not what was kept.
"""

from __future__ import annotations

import logging
import time
from typing import NoReturn

import dask.dataframe as dd
import pandas as pd
from distributed import Reschedule, Status, Worker, get_worker

from appliance.cluster.errors import ApplianceAway
from appliance.cluster.frames import convert_frame
from appliance.cluster.node import ask
from appliance.cluster.terms import Terms

LEAVING_SECONDS = 10.0  # until the scheduler has taken note; it gives the worker nothing from then on
_log = logging.getLogger("distributed.worker")


def convert(
    frame: dd.DataFrame, column: str, source: str, target: str, *, purpose: str, reference: str, order: bytes = b""
) -> dd.DataFrame:
    """The frame with ``column`` converted and ``<column>_error`` beside it; lazy, like everything in Dask.

    Nothing is converted before the result is computed, and everything again each time it is: write it out in the
    same computation (``to_parquet``) and go on from the files. ``source`` and ``target`` are key generations.

    Raises:
        JobRefused: a domain without generation, no such column, or it is not text. When computed: ConversionRefused.
    """
    terms = Terms(column, source, target, purpose, reference, order)
    meta = convert_frame(frame._meta, terms, ask)  # no rows: nobody is asked
    converted: dd.DataFrame = frame.map_partitions(convert_here, terms, meta=meta)  # type: ignore[no-untyped-call]
    return converted


def convert_here(frame: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """One partition, converted on the worker that runs this.

    Raises:
        Reschedule: the worker's appliance is away; the worker leaves. ApplianceAway: the same, without a worker.
        ConversionRefused, JobRefused: no other worker would do better.
    """
    try:
        return convert_frame(frame, terms, ask)
    except ApplianceAway as away:
        try:
            worker = get_worker()
        except ValueError:  # Dask's schedulers within one process have none
            raise away from None
        leave(worker, away)


def leave(worker: Worker, away: ApplianceAway) -> NoReturn:
    """Take this worker out of the cluster, then hand its task back.

    In this order: when the worker's state changes, the scheduler knows, so that the task cannot come back here.

    Raises:
        Reschedule: always.
    """
    if worker.status is Status.running:
        _log.warning("%s; leaving the cluster until it is back", away.message)
        worker.loop.add_callback(worker.close_gracefully, restart=True, reason="appliance-away")
    until = time.monotonic() + LEAVING_SECONDS
    while worker.status is Status.running and time.monotonic() < until:
        time.sleep(0.01)
    raise Reschedule
