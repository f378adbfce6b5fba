"""``appliance sector request`` and ``receive``: what goes to the numbering authority, and what comes back."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec

from appliance.hubkit.linkrequests import AnswerTo
from appliance.hubkit.sector import Sector, Stored
from appliance.linking import answer, request
from appliance.linking.errors import FileRefused, NobodyToAsk
from appliance.linking.files import NewFile
from appliance.linking.request import Header


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was written."""

    reference: str
    people: int
    output: str
    sha256: str


def ask(sector: Sector, out: Path, reference: str | None, most: int, *, corrected: bool) -> Made:
    """Write a request about everybody who has to be asked about (``corrected``: again), at most ``most`` people.

    The sector file knows of the request before the file has its name: killed in between, there is a request that waits
    and no file; it can be cancelled, and asked anew.

    Raises:
        NobodyToAsk: there is nobody.
        OutputExists, FileUnusable, SectorError: it cannot be written, or the reference was used before.
    """
    people = list(islice(sector.requests(corrected=corrected), most))
    if not people:
        raise NobodyToAsk(
            f"sector {sector.letter}: there is nobody to ask about", "`appliance sector status` says who waits"
        )
    now = sector.now()
    name = request.checked_reference(reference) if reference else request.new_reference(sector.letter, now)
    header = Header(format=request.FORMAT, sector=sector.letter, reference=name, created=now, count=len(people))
    with NewFile(out) as file:
        digest = request.write(file, header, people)
        sector.link_requests.begin(name, digest, (one.existing for one in people))
        try:
            file.publish()
        except BaseException:
            sector.link_requests.cancel(name)
            raise
    return Made(reference=name, people=len(people), output=str(out), sha256=digest)


def receive(sector: Sector, path: Path) -> Stored:
    """Store an answer, all of it or nothing.

    Raises:
        FileRefused, FileUnusable: the file is not an answer for this sector, or not whole.
        AlreadyReceived: it was received before.
        SectorError: it is an answer to something else.
    """
    found = answer.read(path)
    if found.header.sector != sector.letter:
        raise FileRefused(
            f"{path}: is for sector {found.header.sector}, and this is sector {sector.letter}; nothing was stored"
        )
    to = AnswerTo(found.header.reference, found.header.request, found.sha256)
    return sector.store(found.linking, to)


def told(made: Made) -> str:
    """What was asked, for people."""
    return (
        f"reference  {made.reference}\npeople     {made.people:,}\nrequest    {made.output}\nsha256     {made.sha256}"
    )


def stored(done: Stored) -> str:
    """What was received, for people."""
    shown = [f"linked     {done.linked:,}", f"inquiry    {done.inquiries:,}"]
    if done.left_out:
        shown.append(f"left out   {done.left_out:,}, corrected or closed since they were asked about")
    return "\n".join(shown)
