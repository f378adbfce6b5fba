"""What can go wrong with a partition; one class for each thing that is done next.

All travel from a worker to whoever submitted the job, so each is made of a message and a hint alone
(it must survive pickling), and none has a number in it.
"""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class ClusterError(KagimoriError):
    """Base of everything that this room raises."""


class JobRefused(ClusterError):
    """The job itself is wrong: no such column, not text, no generation named. No worker would do better."""

    exit_code: ClassVar[int] = 2


class ConversionRefused(ClusterError):
    """This node's appliance refuses what is asked for: policy, key states, quotas, orders. It ends the job."""


class ApplianceAway(ClusterError):
    """This node's appliance does not serve at present: the partition belongs on another node."""

    exit_code: ClassVar[int] = 6
