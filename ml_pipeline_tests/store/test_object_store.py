"""The store on a server that checks credentials, through a network that fails."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import SourceError, StoreUnreachable
from ml_pipeline.index.removal import Expiry, removable
from ml_pipeline.pipeline.remote_objects import objects_at
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.files import digest_of_bytes
from ml_pipeline.store.housekeeping import remove, verify
from ml_pipeline.store.record import Content, Record
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline.sweeps.tasks import why_of_a_trial
from ml_pipeline_tests.toys.many import PIPELINE, records
from ml_pipeline_tests.toys.seaweed import Proxy, Seaweed, environment, proxy_of, seaweed
from ml_pipeline_tests.toys.shelf import SLOT, publish

pytestmark = pytest.mark.long

CONTENT = Content(file="data.json", format="json", bytes=2, digest=digest_of_bytes(b"{}"))
DAYS = [date(2026, 1, 1) + timedelta(days=day) for day in range(14)]
WRITERS = """
import json, multiprocessing, sys
from pathlib import Path
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.shelf import publish
root, folder, times, kind, count = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
forks = multiprocessing.get_context("fork")
start, told = forks.Barrier(count), forks.Queue()

def write(me):
    own = folder / f"writer{me}"
    own.mkdir()
    (own / "content").write_bytes(own.name.encode() * times)
    store = ArtifactStore(root)
    start.wait()
    done = publish(store, "r1", own / "content" if kind else own.name)
    told.put([done.adopted, done.deterministic, done.record.content.digest])

writers = [forks.Process(target=write, args=(me,)) for me in range(count)]
for writer in writers:
    writer.start()
print(json.dumps([told.get(timeout=60) for _ in writers]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture
def proxy(server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy_of(server) as running:
        for name, value in environment(running.url).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def root(proxy: Proxy, tmp_path: Path) -> str:
    return f"s3://bucket/{tmp_path.name}"


def run(store: ArtifactStore, day: date = DAYS[0]) -> list[Outcome]:
    return list(Materializer(PIPELINE, store).run(PIPELINE.params.defaults, day))


def swept(store: ArtifactStore, folder: Path, trials: int, dates: int) -> Swept:
    rates = [(trial + 1) / 1000 for trial in range(trials)]
    values = {"fit": {"learning_rate": rates}, "search": {"workers": 2}}
    request = SweepRequest.parse(PIPELINE.params, values)
    return Sweep(request, DAYS[:dates], PIPELINE, store, str(folder / "studies")).run()


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("bucket", "changed", "told"),
    [
        ("gone", {}, r"there is no bucket 'gone' at http://127\.0\.0\.1:\d+\. Make the bucket"),
        ("bucket", {"AWS_ACCESS_KEY_ID": "OTHERKEY"}, r"credentials \(InvalidAccessKeyId\)\. Ch"),
        ("bucket", {"AWS_SECRET_ACCESS_KEY": "hush"}, r"credentials \(SignatureDoesNotMatch\)"),
        ("bucket", {"AWS_ENDPOINT_URL": "refused"}, r"answer: the connection is refused\. Check"),
        ("bucket", {"AWS_ENDPOINT_URL": "silent"}, r"answer: nothing comes back\. Check that"),
        ("bucket", {"AWS_ALLOW_HTTP": ""}, r"is not encrypted, .*\. Set AWS_ALLOW_HTTP=true"),
    ],
)
def test_store_that_cannot_be_used_says_why_in_seconds(
    bucket: str, changed: dict[str, str], told: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        ports = {"refused": refused_port(), "silent": silent.getsockname()[1]}
        for name, value in changed.items():
            url = f"http://127.0.0.1:{ports[value]}" if value in ports else value
            monkeypatch.setenv(name, url)
        start = time.monotonic()
        store = ArtifactStore(f"s3://{bucket}/ml")
        with pytest.raises(StoreUnreachable, match=told) as refused:
            store.read("new")
        for day in DAYS:
            with pytest.raises(StoreUnreachable, match="ML_PIPELINE_STORE"):
                run(store, day)
        with pytest.raises(StoreUnreachable):
            store.put_if_absent("new", b"")
        with pytest.raises(SourceError):
            objects_at(f"s3://{bucket}/orders")
        assert time.monotonic() - start < 9
    assert not {"OTHERKEY", "hush"} & set(str(refused.value).replace(".", " ").split())


def test_conditional_put_of_many_at_once_is_won_by_one(root: str) -> None:
    store = ArtifactStore(root)
    with ThreadPoolExecutor(16) as many:
        for name in range(5):
            won = many.map(lambda me, n=name: store.put_if_absent(f"n/{n}", b"%d" % me), range(16))
            assert sum(won) == 1


@pytest.mark.parametrize(("is_file", "times", "count"), [(0, 1, 8), (1, 3 << 20, 2)])
def test_revision_written_by_many_processes_has_the_bytes_of_one(
    is_file: int, times: int, count: int, root: str, tmp_path: Path
) -> None:
    given = [root, str(tmp_path), str(times), str(is_file), str(count)]
    line = [sys.executable, "-c", WRITERS, *given]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(done.stdout)
    assert sorted(adopted for adopted, _, _ in told) == [False] + [True] * (count - 1)
    assert len({digest for _, _, digest in told}) == 1
    store = ArtifactStore(root)
    assert [checked.problem for checked in verify(store, ["table"])] == [None]


def test_large_artifact_is_never_in_memory_whole(
    root: str, server: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The proxy is in this process, and would hold it.
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    size = 200 << 20
    folder = tmp_path / "made"
    folder.mkdir()
    with (folder / "large").open("wb") as file:
        for part in range(size >> 20):
            file.write(bytes([part]) * (1 << 20))
    store = ArtifactStore(root)
    publish(store, "r0", {"small": 1})
    most, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            most[0] = max(most[0], anonymous())

    watching = threading.Thread(target=watch)
    before = anonymous()
    watching.start()
    try:
        record = publish(store, "r1", folder).record
        again = store.load(SLOT, record)
    finally:
        stop.set()
        watching.join()
    assert (again / "large").stat().st_size == size
    assert most[0] - before < size // 2


def anonymous() -> int:
    """Return the bytes of memory that are this process's own."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10


def test_requests_of_an_artifact_are_few(root: str, proxy: Proxy) -> None:
    store = ArtifactStore(root)
    counts = []
    for _ in range(2):
        proxy.counted.clear()
        # Without the search for the nearest earlier run, of which people are told.
        looking = Materializer(PIPELINE, store, explain=why_of_a_trial)
        outcomes = list(looking.run(PIPELINE.params.defaults, DAYS[0]))
        counts.append(proxy.counted.total() / len(outcomes))
    assert counts[0] <= 7
    assert counts[1] <= 2


def test_sweep_on_a_slow_server_looks_up_many_at_once_and_equals_one_on_disk(
    root: str, proxy: Proxy, tmp_path: Path
) -> None:
    # A server of workers that other tests have started knows nothing of this store's credentials.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    store = ArtifactStore(root)
    proxy.counted.clear()
    first = swept(store, tmp_path, 6, 14)
    computed = proxy.counted.total() / len(first.cells)
    proxy.counted.clear()
    proxy.delay_s = 0.02
    proxy.most_at_once = 0
    second = swept(store, tmp_path, 6, 14)
    reused = proxy.counted.total() / len(second.cells)
    here = swept(ArtifactStore(str(tmp_path / "store")), tmp_path / "here", 6, 14)
    assert first.failures == second.failures == []
    assert {cell.reused for cell in second.cells} == {True}
    assert best(first) == best(second) == best(here)
    # A cell is two artifacts.
    assert computed <= 8
    assert reused <= 2.1, computed
    assert proxy.most_at_once >= 12


def test_store_is_verified_listed_and_emptied_by_few_requests_and_many_at_once(
    root: str, proxy: Proxy, tmp_path: Path
) -> None:
    store = ArtifactStore(root)
    store.index = str(tmp_path / "index.db")
    written = list(records(300))

    def write(one: tuple[str, Record]) -> None:
        path, record = one
        sealed = record.model_copy(update={"content": CONTENT})
        store.overwrite(f"{path}/data.json", b"{}")
        store.overwrite(f"{path}/record.json", sealed.to_json())

    def requests_of(ask: Callable[[], list[Any]]) -> tuple[list[Any], int]:
        proxy.counted.clear()
        proxy.most_at_once = 0
        return ask(), proxy.counted.total()

    list(store.each(write, written))
    proxy.delay_s = 0.02
    checked, asked = requests_of(lambda: list(verify(store, ["model", "score"])))
    assert [one.problem for one in checked] == [None] * 300
    assert asked <= 2 * 300 + 2
    assert proxy.most_at_once >= 12
    old = Expiry(timedelta(0))
    items, asked = requests_of(lambda: removable(store, None, expiry=old))
    assert len(items) == 300
    assert asked <= 300 + 40
    assert proxy.most_at_once >= 12
    again, asked = requests_of(lambda: removable(store, None, expiry=old))
    assert again == items
    assert asked <= 40, asked
    gone, asked = requests_of(lambda: list(remove(store, items)))
    assert gone == items
    assert asked <= 5 * 3
    assert list(store.entries("")) == []


def best(done: Swept) -> object:
    return sorted((cell.as_of, cell.run_id, *cell.metrics.values()) for cell in done.cells)


def test_run_survives_faults_that_pass(root: str, proxy: Proxy, tmp_path: Path) -> None:
    turn = itertools.count()
    faults = {1: 503, 4: 500, 6: 0}

    def spoil(method: str, path: str) -> int | None:
        return faults.get(next(turn) % 9)

    proxy.spoil = spoil
    store = ArtifactStore(root)
    for day in DAYS[:3]:
        assert [one.reused for one in run(store, day)] == [False, False]
    proxy.spoil = lambda _method, _path: None
    assert [checked.problem for checked in verify(store, ["model", "score"])] == [None] * 6
    records = [one for one in store.entries("score") if one["path"].endswith("record.json")]
    assert len(records) == 3
    assert not list(store.entries(".claims"))


def test_server_that_goes_in_mid_run_is_waited_for_once_and_nothing_is_lost(
    root: str, server: Seaweed, proxy: Proxy
) -> None:
    store = ArtifactStore(root)
    run(store)
    server.stop()
    start = time.monotonic()
    for day in DAYS[1:]:
        with pytest.raises(StoreUnreachable, match="does not answer: the connection breaks off"):
            run(store, day)
    assert 15 < time.monotonic() - start < 35
    server.start()
    time.sleep(10)
    assert [one.reused for one in run(store)] == [True, True]
    assert [one.reused for one in run(store, DAYS[1])] == [False, False]
    assert [checked.problem for checked in verify(store, ["model", "score"])] == [None] * 4
