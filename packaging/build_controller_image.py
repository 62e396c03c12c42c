"""Build the image of kun-controller, without a registry.

    python3 packaging/build_controller_image.py [--out out/kun-controller-image.tar] [--name localhost/kun-controller]
    python3 packaging/build_controller_image.py --gather     # only the files, into out/controller

Its libraries are the wheels of requirements-controller.lock for Debian 13's Python, each checked against its hash; the
rest is gateway-config/kubernetes/Containerfile.controller. Needs root and buildah, --gather neither.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_image  # noqa: E402
from build_debs import PLATFORMS, UNBUILT, commit, set_version  # noqa: E402
from chroots import ROOT, SUITES, ChrootError, run_checked  # noqa: E402

from kun_base.version import VERSION  # noqa: E402

CONTAINERFILE = ROOT / "gateway-config/kubernetes/Containerfile.controller"
NAME = "localhost/kun-controller"
PACKAGES = ("kun_base", "kun_cluster")
PROGRAM = """\
#!/bin/sh
PYTHONPATH=/usr/lib/kun-controller PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -s -m kun_cluster "$@"
"""


def gather(target: Path, version: str = VERSION) -> None:
    """Put libraries and packages into target/lib and the command beside it. Raises ChrootError."""
    tag = SUITES[build_image.RELEASE].python_tag
    lib = target / "lib"
    shutil.rmtree(target, ignore_errors=True)
    lib.mkdir(parents=True)
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    argv += ["--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp", f"--python-version={tag}"]
    argv += [f"--abi={abi}" for abi in (f"cp{tag}", "abi3", "none")]
    argv += [f"--platform={platform}" for platform in PLATFORMS]
    run_checked([*argv, "--target", str(lib), "-r", str(ROOT / "requirements-controller.lock")])
    shutil.rmtree(lib / "bin", ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, lib / package, ignore=UNBUILT)
    set_version(lib / "kun_base/version.py", version)
    (lib / "kun_base/build.json").write_text(json.dumps({"commit": commit(), "kind": "image"}) + "\n")
    (target / "kun-controller").write_text(PROGRAM)
    for path in (lib, *lib.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (target / "kun-controller").chmod(0o755)


def build(options: Sequence[str], name: str, version: str = VERSION) -> None:
    """Build the image in the storage of `options`. Raises ChrootError."""
    with tempfile.TemporaryDirectory() as context:
        gather(Path(context, "out/controller"), version)
        build_image.build_from(options, context, CONTAINERFILE, name, version)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out/kun-controller-image.tar", help="for `podman load`")
    parser.add_argument("--name", default=NAME)
    parser.add_argument("--gather", action="store_true", help="only put the files into out/controller")
    asked = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        if asked.gather:
            gather(ROOT / "out/controller")
            print(f"image: files in {ROOT / 'out/controller'}")
            return 0
        if os.geteuid() != 0 or not shutil.which("buildah"):
            print("image: needs root and buildah (apt-get install buildah)", file=sys.stderr)
            return 1
        with build_image.storage() as options:
            build(options, asked.name)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            build_image.export(options, asked.name, asked.out)
    except ChrootError as error:
        print(f"image: error: {error}", file=sys.stderr)
        return 1
    print(f"image: {asked.out} ({asked.out.stat().st_size // 2**20} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
