"""Why a target is missed, and what would be tried next: shown beside those that are.

By the name of the row; for one engine alone as `engine: name`. The tables show an entry only
where the last run missed the target, so an entry may stay when it does not any more.
"""

from tests.bench.reports import Report
from tests.bench.rows import Row

REASONS: dict[str, str] = {
    "hello": (
        "The program and its sandbox take 2 to 5 ms of it. The rest is a dozen hand-overs "
        "between processes (client, API, broker, executor, supervisor and back), each 0.1 "
        "to 0.4 ms where an idle virtual processor has to be woken; in a quiet minute of "
        "this machine the whole was 9 ms. Next: a Celery pool that hands over to the "
        "event loop without a thread."
    ),
    "pandas": (
        "As with hello; the table itself takes 3 to 5 ms. The fresh run beside it is "
        "quicker here than where the target was set. Next: as with hello."
    ),
    "chart": (
        "Nine tenths are matplotlib's own drawing and encoding of the picture, 75 to 110 "
        "ms in a process that has drawn before; a fresh run imports and draws in 1.1 to "
        "1.4 s here, so 16 times as fast is hardly more than one drawing takes. Next: a "
        "lower compression level for PNG, which is 20 ms of it."
    ),
    "bash": ("As with hello; starting bash takes 4 ms of it."),
    "node": (
        "Node's own start takes 40 ms of it, at full speed. Next: a snapshot of its start "
        "(`node --snapshot-blob`)."
    ),
    "memory of a sandbox that waits, preloaded": (
        "pandas 3, pyarrow, numpy and matplotlib's pyplot, each used once, are 82 MB that "
        "nobody shares; supervisor and interpreters 18 MB; the libraries' files, 60 MB, "
        "are shared by all sandboxes of a host, so the figure falls with their number. "
        "What a program no longer copies page by page is paid for here. Next: leave "
        "pyplot out of the preload of every second sandbox."
    ),
    "hello, nothing waits": (
        "Beside the engine's own start: Python's start and the supervisor's imports (25 "
        "ms at half a processor), and the way through API and broker (8 ms). Next: an "
        "interpreter that starts without `site`."
    ),
    "5 MB CSV in by reference, 4 MB out": (
        "Reading, computing and writing the table is half of it (half a processor), "
        "storage the other. Next: see storage."
    ),
    "of that: storage": (
        "The object store alone takes 20 to 40 ms to keep 4 MB and 10 to 15 to hand out 5 "
        "(a bare client, same machine), so the target leaves nothing for the way in between. "
        "Ours on top: the inputs' way into the sandbox with hashing them at half a "
        "processor, 17 ms; finding what changed and reading 4 MB out, 35; and since S3 takes "
        "no part below 5 MB but the last, a file of this size is sent only once it is read. "
        "Next: larger buffers between sandbox and executor."
    ),
    "40 MB upload": (
        "No engine has a part in it: beside Docker the same code had 0.54 in the same hour, "
        "while the machine did other things as well. The API's own part is reading the form "
        "and hashing. Next: measure on a machine that does nothing else."
    ),
    "a run with a file, 100000 sessions in the bucket": (
        "Nothing that a run asks for depends on how many sessions there are; the other "
        "engine had 0.89 in the same hour, and the machine did other things as well. Next: "
        "measure on a machine that does nothing else."
    ),
    "listing a session of 1000": (
        "Measured before listings had pages (`limit`, `after`), which they have now. Next: "
        "measure again."
    ),
    "40 MB into a run and out of it": (
        "Between the two transfers, which are all that the bare client does, 40 MB are "
        "written into the sandbox, hashed, copied by the program, compared, and read out "
        "again, at half a processor on average: 0.3 s of the 0.75. Next: hash with the "
        "executor's processor instead of the sandbox's."
    ),
    "a run with a file of a session of 1000": (
        "The session's record, 376 kB, is fetched from the object store for each run, so "
        "that a deletion counts at once everywhere; parsing it is paid once. Next: ask the "
        "object store whether it changed (If-None-Match) instead of fetching it."
    ),
    "hello beside a flood, p95": (
        "It has a slot and a sandbox at once, and of the flood's 400 hardly one is answered "
        "meanwhile. What remains is Python's start, 45 of its 60 ms, since nothing is "
        "preloaded in a flood, on two processors that the flood keeps busy. (It was 810 ms, "
        "31 times the quiet one, when it was next but had neither.) Next: preload the "
        "sandbox that is kept."
    ),
    "bash, 8 clients": (
        "Two processors are fully used: a run costs 75 ms of them, of which the runtime's "
        "start and the kernel's namespaces are two thirds, and Python's start most of the "
        "rest. Next: a supervisor that starts without Python for languages that are not "
        "Python."
    ),
    "hello, 8 clients": (
        "As with bash: at this load most programs find sandboxes that were made for them "
        "just then."
    ),
    "docker: hello, nothing waits": (
        "Beside create, attach and start: Python's start and the supervisor's imports (25 ms "
        "at half a processor), the way through API and broker (8 ms), and a seccomp list to "
        "compile, which the baseline has too. Next: an interpreter that starts without "
        "`site`."
    ),
    "docker: hello, 8 clients": (
        "Empty containers have no Python that starts, no frames and no seccomp list to "
        "load; all of them share two processors with the engine, API, broker, storage and "
        "the clients here. 12 a second are answered; dockerd's own calls are three a "
        "sandbox. Next: containers made fewer at once while programs run, or the other "
        "engine."
    ),
    "docker: bash, 8 clients": (
        "As with hello: the engine's own calls and Python's start take both processors."
    ),
}


def reason(engine: str, row: Row) -> str:
    """Return why the row misses a target; empty where nobody has written that down yet."""
    return REASONS.get(f"{engine}: {row.name}") or REASONS.get(row.name, "")


def missed(report: Report) -> list[Row]:
    """Return the rows that miss a target."""
    return [
        row
        for case in report.cases
        for row in case.rows
        if any(row.meets(target) is False for target in row.targets)
    ]


def without_reason(report: Report) -> list[str]:
    """Return the names of rows that miss a target, and nobody has said why."""
    return [row.name for row in missed(report) if not reason(report.engine, row)]
