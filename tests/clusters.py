"""A real S3 server and a real cluster of Dask workers, each in processes of their own on this machine."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import s3fs

S3 = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _wait(port: int, process: subprocess.Popen, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"it ended at once: {process.args}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(process.args)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


@contextlib.contextmanager
def s3_server():
    """An S3 server; yields the environment that leads to it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    finally:
        _end(process)


def upload(directory: Path, address: str, environment: dict[str, str]) -> None:
    """All event files below a directory to an address ``bucket/prefix``."""
    files = s3fs.S3FileSystem(
        key=environment["AWS_ACCESS_KEY_ID"],
        secret=environment["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        client_kwargs={"region_name": environment["AWS_DEFAULT_REGION"]},
        skip_instance_cache=True,
    )
    files.mkdir(address.partition("/")[0])
    for path in directory.rglob("*tfevents*"):
        files.pipe(f"{address}/{path.relative_to(directory).as_posix()}", path.read_bytes())


class DaskCluster:
    """A scheduler, and workers with a thread each."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {**os.environ, **environment}
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port))
        self.workers: list[subprocess.Popen] = []
        _wait(port, self.scheduler)

    def _start(self, what: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, "--no-dashboard", *arguments]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def worker(self) -> subprocess.Popen:
        """Start another worker; without a nanny, which would start it again when it is killed."""
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", "--no-nanny"))
        return self.workers[-1]

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            _end(process)


@contextlib.contextmanager
def dask_cluster(workers: int = 2, environment: dict[str, str] | None = None):
    cluster = DaskCluster(environment or {})
    try:
        from distributed import Client

        for _ in range(workers):
            cluster.worker()
        with Client(cluster.address, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(workers, timeout=60)
        yield cluster
    finally:
        cluster.close()
