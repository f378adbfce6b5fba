"""The end of a job: digests, summary and census; then each file gets its name, the output last.

Every step can be repeated: a job that is killed here is resumed here, and what already has its name is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.bulk import census, counting, summary
from appliance.bulk.errors import InputChanged
from appliance.bulk.folder import Checkpoint, JobFolder, Kind, Spec
from appliance.bulk.summary import Summary
from appliance.bulk.tables.table import Rejects, Sink, Source
from appliance.progress import Show

SUMMARY, CENSUS = "summary.json", "census.json"


@dataclass(frozen=True)
class Outputs:
    """The names under which a job's files will appear."""

    output: Path
    rejects: Path | None
    summary: Path | None
    census: Path | None

    @classmethod
    def of(cls, kind: Kind, output: Path, rejects: Path | None) -> Outputs:
        """Those of a job. The output of a census is the census itself."""
        if kind == "census":
            return cls(output, rejects, None, output)
        return cls(output, rejects, summary.path_of(output), census.path_of(output) if kind == "rekey" else None)

    @property
    def names(self) -> tuple[Path, ...]:
        """All of them."""
        found = (self.output, self.rejects, self.summary, self.census)
        return tuple(dict.fromkeys(path for path in found if path is not None))


def check_unchanged(spec: Spec, source: Source) -> None:
    """Raises InputChanged unless the input is the file that the job began with."""
    now = source.fingerprint()
    if now != spec.fingerprint:
        what = ", ".join(sorted(name for name in now if now[name] != spec.fingerprint.get(name))) or "what it is"
        raise InputChanged(
            f"{spec.input}: changed since the job began ({what}); its rows are no longer those that were converted",
            f"bring the file back as it was, or appliance bulk discard {spec.output}, and begin anew",
        )


def finish(
    folder: JobFolder,
    spec: Spec,
    checkpoint: Checkpoint,
    source: Source,
    sink: Sink | None,
    rejects: Rejects | None,
    show: Show,
) -> Summary:
    """Give every file its name, and remove the job's folder.

    Raises:
        InputChanged: while the job ran.
        TableError, NotWritten: a file cannot be written, or its name is taken; the job can be resumed.
    """
    outputs = Outputs.of(spec.kind, Path(spec.output), None if spec.rejects is None else Path(spec.rejects))
    if not folder.has(SUMMARY):
        check_unchanged(spec, source)
        _prepare(folder, spec, checkpoint, outputs, source.sha256(show), sink.sha256(show) if sink else None)
    done = folder.prepared(SUMMARY, Summary)
    if rejects is not None and done.rejects is not None:
        rejects.finish(Path(done.rejects), show)
    if outputs.summary is not None:
        folder.publish(SUMMARY, outputs.summary)
    if outputs.census is not None and done.census is not None:
        folder.publish(CENSUS, outputs.census)
    if sink is not None:
        sink.finish(outputs.output, show)
    return done


def _prepare(
    folder: JobFolder, spec: Spec, checkpoint: Checkpoint, outputs: Outputs, input_sha: str, output_sha: str | None
) -> None:
    """Write census and summary into the job's folder; the summary last, as the sign that both are there."""
    ended = summary.now()
    digest = None
    if outputs.census is not None:
        data = census.document(spec, checkpoint, input_sha, output_sha, ended)
        folder.prepare(CENSUS, data)
        digest = census.digest(data)
    listed = spec.kind == "census" or counting.rejected(checkpoint.counts) > 0
    made = Summary(
        kind=spec.kind,
        input=spec.input,
        output=spec.output,
        rejects=spec.rejects if listed else None,
        column=spec.column,
        source=spec.source,
        target=spec.target,
        purpose=spec.purpose,
        reference=spec.reference,
        rows=checkpoint.rows,
        counts={**dict.fromkeys(spec.generations, 0), **checkpoint.counts},
        began=spec.began,
        ended=ended,
        seconds=checkpoint.seconds,
        input_sha256=input_sha,
        output_sha256=output_sha,
        census=str(outputs.census) if digest else None,
        census_sha256=digest,
    )
    folder.prepare(SUMMARY, msgspec.json.format(msgspec.json.encode(made)) + b"\n")
