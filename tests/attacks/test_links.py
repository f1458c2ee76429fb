"""Directories with links in all directions: reading ends, and each real directory is read once."""

import random

import scram_plugin
from tests.attacks import held
from tests.event_files import curve
from tests.sizes import size


def tree(rng, folder):
    """Directories, some with a log, and links among them: up, down, across, to themselves, to nothing, and outside."""
    folder.mkdir()
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    places = [folder]
    for number in range(rng.randrange(1, 8)):
        place = rng.choice(places) / f"d{number}"
        place.mkdir()
        places.append(place)
    logs = [place for place in [*places, outside] if rng.random() < 0.6]
    for place in logs:
        curve(place, "loss", [1.0, 0.5])
    for number in range(rng.randrange(1, 12)):
        link = rng.choice(places) / f"{rng.choice('az')}{number}"
        target = rng.choice([*places, *places, outside, folder / "nothing", link, *folder.rglob("*tfevents*")])
        link.symlink_to(target, target_is_directory=target.is_dir())
    return logs, outside


def test_links_in_all_directions_end(tmp_path, record_property):
    rng, tried, broken = random.Random(3), size(1_000, 60), []
    for number in range(tried):
        folder = tmp_path / str(number)
        logs, outside = tree(rng, folder)
        read = scram_plugin.read(folder)
        real = sorted((folder / name).resolve() for name in read)
        names = {name: (folder / name).resolve() for name in read}
        if len(set(real)) < len(real):
            broken.append(f"tree {number}: a directory is read twice: {names}")
        if missing := {log.resolve() for log in logs if log != outside} - set(real):
            broken.append(f"tree {number}: not read: {missing}")
        if wrong := [name for name in read if "loss" in read[name] and len(read[name]["loss"]) % 2]:
            broken.append(f"tree {number}: {wrong}")
        if read.refresh():
            broken.append(f"tree {number}: a second look finds something new")
    held(record_property, "trees of links", tried, broken)
