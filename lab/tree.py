"""The bare Debian tree of the guest: debootstrap with the recipe's packages, and Jool's kernel module built in it.

One tree for each Debian version is kept in the cache: the install script and the lock file change more often than the
packages, and another image on the same tree is made in a minute.
"""

import shutil
import subprocess
from pathlib import Path

from lab.contained import run, run_counting
from lab.debs import fetch_commands, prepare_directories
from lab.mirror import find_mirror
from lab.progress import Reporter
from lab.recipe import AFTERWARDS, ARCHITECTURE, Recipe

# Lines per package: apt prints one (get); debootstrap prints five or so (found, validating, extracting, ...).
_FETCH_LINES, _TREE_LINES = 240, 1000

STEP_FETCH = "Debian packages"
STEP_TREE = "Debian tree and Jool's kernel module"
WEIGHTS = {STEP_FETCH: 15.0, STEP_TREE: 120.0}


def kept_tree(cache: Path, recipe: Recipe) -> Path:
    """Return where the tree of this recipe is kept, whether it is there or not."""
    return cache / f"tree-{recipe.tree_key}"


def copy_tree(cache: Path, scratch: Path, recipe: Recipe, reporter: Reporter) -> Path:
    """Return a private copy, in `scratch`, of the kept tree; build that one first if need be."""
    kept, tree = ensure_tree(cache, scratch, recipe, reporter), scratch / "tree"
    run(["cp", "--archive", "--reflink=auto", str(kept), str(tree)], scratch / "copy.log")
    return tree


def ensure_tree(cache: Path, scratch: Path, recipe: Recipe, reporter: Reporter) -> Path:
    """Return the kept tree of this recipe; build it if need be, in the place of older ones."""
    kept = kept_tree(cache, recipe)
    if not kept.is_dir():
        for old in cache.glob("tree-*"):
            shutil.rmtree(old, ignore_errors=True)
        _bootstrap(scratch, recipe, reporter).rename(kept)
    return kept


def _bootstrap(scratch: Path, recipe: Recipe, reporter: Reporter) -> Path:
    mirror, suite, debs, fresh = find_mirror(), recipe.debian.suite, scratch / "debs", scratch / "fresh"
    reporter.step(STEP_FETCH)
    prepare_directories(debs, mirror, suite)
    for command in fetch_commands(debs, recipe):
        run_counting(command, scratch / "fetch.log", _FETCH_LINES, reporter)
    reporter.step(STEP_TREE)
    # The kernel package would make an initial RAM disk, half a minute of work; initrd.py makes a smaller one.
    argv = ["env", "INITRD=No", "debootstrap", "--variant=minbase", f"--arch={ARCHITECTURE}"]
    first = [name for name in recipe.packages if name not in AFTERWARDS]
    argv += [f"--include={','.join(first)}", f"--cache-dir={debs / 'archives'}", suite]
    argv += [str(fresh), mirror]
    run_counting(argv, scratch / "debootstrap.log", _TREE_LINES, reporter)
    _install_the_rest(fresh, debs, scratch)
    shutil.rmtree(fresh / "var/cache/apt/archives", ignore_errors=True)
    return fresh


def _install_the_rest(fresh: Path, debs: Path, scratch: Path) -> None:
    """Install the packages that apt has fetched and debootstrap has not. No service starts, nothing is downloaded."""
    listing = ["chroot", str(fresh), "dpkg-query", "--show", "--showformat", "${Package}\n"]
    there = set(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split())
    rest = fresh / "rest"
    rest.mkdir()
    for deb in (debs / "archives").glob("*.deb"):
        if deb.name.partition("_")[0] not in there:
            shutil.copy(deb, rest)
    refusal = fresh / "usr/sbin/policy-rc.d"
    refusal.write_text("#!/bin/sh\nexit 101\n")
    refusal.chmod(0o755)
    install = "DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install /rest/*.deb"
    run(["chroot", str(fresh), "sh", "-ec", install], scratch / "rest.log")
    refusal.unlink()
    shutil.rmtree(rest)
