"""A bulk job from its beginning, or from its last checkpoint, to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from appliance.bulk import finishing, rights, segment, summary
from appliance.bulk.asking import TIMEOUT, Ask, Asker, Terms
from appliance.bulk.errors import InputChanged, JobUnusable, NotAllowed, RoundTripFailed
from appliance.bulk.finishing import Outputs
from appliance.bulk.flow import Flow
from appliance.bulk.folder import JobFolder, Kind, Spec, What, exists
from appliance.bulk.segment import Work
from appliance.bulk.stopping import Stopping
from appliance.bulk.summary import Summary
from appliance.bulk.tables.opening import open_rejects, open_sink, open_source
from appliance.bulk.tables.table import Source
from appliance.errors import KagimoriError
from appliance.hubkit.client import Client
from appliance.hubkit.wire import domain_of
from appliance.progress import bar


@dataclass(frozen=True)
class Wanted:
    """What a person asks for; `begun` pins it to generations and to a file, and makes a `Spec` of it."""

    kind: Kind
    input: Path
    output: Path
    column: str
    socket: Path
    purpose: str
    reference: str
    source: str = ""
    target: str = ""
    generations: tuple[str, ...] = ()
    order: bytes = b""
    rejects: Path | None = None
    empty: What = "reject"
    format: Literal["csv", "parquet"] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    segment: int = 65_536
    connections: int = 2
    patience: float = 300.0


def begin(wanted: Wanted) -> Summary:
    """A new job, to its end.

    Raises:
        OutputExists, JobExists, NotAllowed, HubkitError: before anything was made.
        BulkError, TableError, ProtocolError: later; the hint says how to go on, if something had been written.
    """
    stopping = Stopping()
    with opened(wanted) as source, stopping.on_signals():
        spec = pinned(wanted, source)
        folder = JobFolder(Path(spec.output))
        folder.create()
        with folder.held():
            folder.begin(spec, wanted.order)
            return _run(folder, spec, source, stopping, new=True)


def resume(output: Path, socket: Path | None = None, patience: float | None = None) -> Summary:
    """A job that was cut off, from its last checkpoint to its end. ``socket``, ``patience``: instead of the job's.

    Raises:
        JobMissing, JobBusy, JobUnusable, InputChanged, NotAllowed: it cannot go on.
        BulkError, TableError, ProtocolError: later; the hint says how to go on.
    """
    stopping = Stopping()
    folder = JobFolder(output.absolute())
    with folder.held(), stopping.on_signals():
        spec = folder.spec()
        if socket is not None:
            spec = replace(spec, socket=str(socket.absolute()))
        if patience is not None:
            spec = replace(spec, patience=patience)
        with open_source(
            Path(spec.input), spec.column, spec.format, delimiter=spec.delimiter, encoding=spec.encoding
        ) as source:
            if not folder.has(finishing.SUMMARY):
                finishing.check_unchanged(spec, source)
            if not folder.checkpoint().read:
                _check_ledger(spec)
            return _run(folder, spec, source, stopping, new=False)


@contextmanager
def opened(wanted: Wanted) -> Iterator[Source]:
    """The input of a job that may begin: none of its outputs is there, and neither is a job for it.

    Raises:
        OutputExists, JobExists, TableError.
    """
    output = wanted.output.absolute()
    JobFolder(output).refuse_another()
    outputs = Outputs.of(wanted.kind, output, _rejects(wanted))
    if outputs.rejects is not None and outputs.rejects in (outputs.output, outputs.summary, outputs.census):
        raise JobUnusable(f"{outputs.rejects}: two outputs cannot have one name", "name another one with --rejects")
    for path in outputs.names:
        _check_name(path, output.parent)
    with open_source(
        wanted.input, wanted.column, wanted.format, delimiter=wanted.delimiter, encoding=wanted.encoding
    ) as source:
        yield source


def _check_name(path: Path, beside: Path) -> None:
    """A name for an output must be free, and on the file system of the job's folder: files get it by a link."""
    if path.is_symlink() or path.exists():
        raise exists(path)
    try:
        if path.parent.stat().st_dev != beside.stat().st_dev:
            raise JobUnusable(f"{path}: is on another file system than {beside}", "name a place on the same one")
    except OSError as error:
        raise JobUnusable(f"{path.parent}: {error.strerror}", "check the path; no folder is made here") from None


def pinned(wanted: Wanted, source: Source) -> Spec:
    """The job, after asking the daemon what the role may do: generations and size of a segment are fixed.

    Raises:
        NotAllowed: it may not do this, or the daemon is not ready.
        HubkitError: the daemon does not answer.
    """
    with Client(wanted.socket, timeout=TIMEOUT) as client:
        may, status = rights.read(client)
    if not status.ready:
        raise NotAllowed(f"the daemon is not ready: {status.reason}", "appliance status tells more")
    rights.check_purpose(may, wanted.purpose)
    generations: tuple[str, ...] = ()
    if wanted.kind == "census":
        generations, current = rights.for_census(may, wanted.generations)
        ends = (domain_of(current), current)
    elif wanted.kind == "rekey":
        ends = rights.for_rekey(may, wanted.source, wanted.target)
    else:
        ends = rights.for_convert(may, wanted.source, wanted.target)
    size = rights.segment_size(may, wanted.segment)
    return _spec(wanted, source.fingerprint(), ends, generations, status.ledger.anchor, size)


def _rejects(wanted: Wanted) -> Path | None:
    """Where rejected rows are listed; of a census only when asked for."""
    if wanted.rejects is not None:
        return wanted.rejects.absolute()
    output = wanted.output.absolute()
    return None if wanted.kind == "census" else output.with_name(output.name + ".rejects.csv")


def _spec(
    wanted: Wanted,
    fingerprint: dict[str, str | int],
    ends: tuple[str, str],
    generations: tuple[str, ...],
    anchor: str | None,
    size: int,
) -> Spec:
    output, rejects = wanted.output.absolute(), _rejects(wanted)
    return Spec(
        kind=wanted.kind,
        input=str(wanted.input.absolute()),
        fingerprint=fingerprint,
        output=str(output),
        column=wanted.column,
        format=wanted.format,
        delimiter=wanted.delimiter,
        encoding=wanted.encoding,
        source=ends[0],
        target=ends[1],
        generations=generations,
        purpose=wanted.purpose,
        reference=wanted.reference,
        socket=str(wanted.socket.absolute()),
        anchor=anchor,
        rejects=None if rejects is None else str(rejects),
        empty=wanted.empty,
        segment=size,
        connections=wanted.connections,
        patience=wanted.patience,
        began=summary.now(),
    )


def _check_ledger(spec: Spec) -> None:
    """The daemon must be one of the ledger that the job began with: elsewhere the same name is another key.

    Raises:
        NotAllowed: it is not.
        HubkitError: it does not answer.
    """
    with Client(spec.socket, timeout=TIMEOUT) as client:
        _, status = rights.read(client)
    if spec.anchor != status.ledger.anchor:
        raise NotAllowed(
            "this daemon has another ledger than the one the job began with; its keys are other keys",
            "name the right socket with --socket",
        )


def _run(folder: JobFolder, spec: Spec, source: Source, stopping: Stopping, *, new: bool) -> Summary:
    """To the end; a new job that ends before its first checkpoint leaves nothing behind."""
    try:
        with ExitStack() as open_files:
            done = _to_the_end(folder, spec, source, stopping, open_files)
        folder.remove()
        return done
    except KagimoriError as error:
        if new and not folder.checkpoint().segments:
            folder.remove()
        elif not isinstance(error, RoundTripFailed | InputChanged):
            go_on = f"appliance bulk resume {spec.output}"
            error.hint = f"{error.hint}; then: {go_on}" if error.hint else go_on
        raise


def _to_the_end(folder: JobFolder, spec: Spec, source: Source, stopping: Stopping, open_files: ExitStack) -> Summary:
    checkpoint = folder.checkpoint()
    sink = rejects = None
    if spec.kind != "census":
        sink = open_files.enter_context(open_sink(source, folder.path, checkpoint.sink))
    if spec.rejects is not None:
        rejects = open_files.enter_context(open_rejects(source, folder.path, checkpoint.rejects))
    terms = Terms(spec.purpose, spec.reference, folder.order())
    asker = Asker(Path(spec.socket), terms, patience=spec.patience, stopping=stopping.event)
    flow = Flow(
        folder=folder,
        source=source,
        sink=sink,
        rejects=rejects,
        work=_work(spec, asker.ask),
        generations=spec.generations,
        segment=spec.segment,
        connections=spec.connections,
        go_on=stopping.check,
    )
    with bar(_TITLES[spec.kind], "rows") as show:
        checkpoint = flow.run(checkpoint, show)
    with bar("checking and naming", "bytes") as show:
        return finishing.finish(folder, spec, checkpoint, source, sink, rejects, show)


_TITLES: dict[str, str] = {"convert": "converting", "rekey": "re-keying", "census": "counting"}


def _work(spec: Spec, ask: Ask) -> Work:
    keep = spec.empty == "keep"
    if spec.kind == "census":
        return lambda batch: segment.census(batch, ask, spec.generations, spec.target)
    if spec.kind == "rekey":
        return lambda batch: segment.rekey(batch, ask, spec.source, spec.target, keep_empty=keep)
    return lambda batch: segment.convert(batch, ask, spec.source, spec.target, keep_empty=keep)
