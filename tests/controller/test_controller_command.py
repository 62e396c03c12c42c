"""kun-controller as a command: compile, crds, explain; errors with file, line and object; exit codes."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import yaml

from kun_cluster.cli.main import main
from kun_cluster.formats.crds import KINDS

GOOD = """\
apiVersion: egress.networking.kun/v1alpha1
kind: EgressPool
metadata: { name: standard }
spec: { vip: 203.0.113.1, default: true }
---
# Another kind: passed over.
apiVersion: v1
kind: Service
metadata: { name: x }
spec: { nonsense: true }
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: team-00
  annotations: { cni.networking.kun/ipv4Enabled: "true" }
status: { podIPs: [{ ip: 2002:a01:2:1::10 }] }
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*argv: str | Path) -> Done:
    """The command in this process: a new one would take longer to start than all of it takes."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kun-controller", *map(str, argv)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


def test_compile_prints_the_table(good: Path) -> None:
    done = run("compile", good)
    assert done.returncode == 0, done.stderr
    assert "2002:a01:2:1::10  native  team-00/web-0" in done.stdout
    assert "203.0.113.1" in done.stdout
    value = json.loads(run("compile", good, "--json").stdout)
    assert value["version"] in done.stdout
    assert value["clients"]["2002:a01:2:1::10"] == {"class": "native", "namespace": "team-00", "name": "web-0"}


def test_a_folder_is_read_whole_and_the_version_is_the_same_for_any_cut(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    for number, part in enumerate(reversed(GOOD.split("---\n"))):
        (folder / f"{number}.yml").write_text(part)
    whole, cut = (json.loads(run("compile", place, "--json").stdout) for place in (good, tmp_path / "folder"))
    assert whole == cut


def test_json_and_lists_are_read_as_kubectl_writes_them(tmp_path: Path, good: Path) -> None:
    items = list(yaml.safe_load_all(GOOD))
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    assert run("compile", file, "--json").stdout == run("compile", good, "--json").stdout


BAD = {
    "a wrong value": ("vip: 203.0.113.1", "vip: 203.0.113", 4, "spec.vip = '203.0.113'", "203.0.113.1"),
    "an unknown field": ("default: true", "defualt: true", 4, "spec.defualt", "did you mean default?"),
    "a field missing": ("{ vip: 203.0.113.1, default: true }", "{ default: true }", 4, "spec.vip", "is required"),
    "a pod of another shape": ('"true" }', "true }", 17, "Pod team-00/web-0", "expected `str`, got `bool`"),
    "an unknown kind": ("kind: EgressPool", "kind: EgressPol", 1, "EgressPol standard", "EgressPool, EgressGateway"),
    "another version": ("kun/v1alpha1", "kun/v2", 1, "EgressPool standard", "egress.networking.kun/v1alpha1"),
    "a key twice": ("  namespace: team-00", "  name: x", 16, "", "'name' is written twice here"),
    "no YAML": ("kind: Pod", "kind: [Pod", 14, "", "not YAML"),
    "a tag": ("name: web-0", "name: !!python/object:os.system {}", 15, "", "tag"),
    "no name": ("metadata: { name: standard }", "metadata: { nam: standard }", 3, "without a name", "is required"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_an_error_names_file_line_object_and_what_would_be_right(
    case: tuple[str, str, int, str, str], tmp_path: Path
) -> None:
    before, after, line, who, wanted = case
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace(before, after))
    done = run("compile", file)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{file}:{line}" in done.stderr
    assert who in done.stderr
    assert wanted in done.stderr


def test_all_errors_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        text = GOOD.replace("203.0.113.1", "x").replace("default: true", "mode: Both").replace('"true"', "1")
        (tmp_path / name).write_text(text)
    done = run("compile", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}: 6 errors" in done.stderr


def test_the_same_object_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    done = run("compile", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}/b.yaml:1: EgressPool standard: is already at {tmp_path}/a.yaml:1" in done.stderr


@pytest.mark.parametrize("name", ["missing.yaml", "folder"])
def test_a_place_with_nothing_in_it_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert run("compile", tmp_path / name).returncode == 2


def test_objects_not_in_force_are_told_and_strict_makes_them_an_error(good: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(GOOD.split("---")[0].replace("name: standard", "name: twin"))
    done = run("compile", good, second)
    assert done.returncode == 0
    assert "EgressPool twin: VipTaken: vip 203.0.113.1 belongs to EgressPool standard" in done.stderr
    assert run("compile", good, second, "--strict").returncode == 2


def test_explain_names_the_objects_that_decide(good: Path) -> None:
    done = run("explain", "pod", "team-00/web-0", "--from", good)
    assert done.returncode == 0
    assert 'annotation cni.networking.kun/ipv4Enabled is "true"' in done.stdout
    assert "its own IPv4" in done.stdout
    assert run("explain", "pod", "team-00/web-9", "--from", good).returncode == 1
    assert run("explain", "pod", "web-0", "--from", good).returncode == 2


def test_explain_without_a_controller_says_what_to_do() -> None:
    done = run("explain", "pod", "team-00/web-0", "--admin", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "--from" in done.stderr


def test_crds_are_printed_whole() -> None:
    found = {one["spec"]["names"]["kind"]: one for one in yaml.safe_load_all(run("crds").stdout)}
    assert list(found) == list(KINDS)
    for one in found.values():
        (version,) = one["spec"]["versions"]
        assert version["additionalPrinterColumns"]
        undescribed = [
            path for path, schema in fields(version["schema"]["openAPIV3Schema"], "") if "description" not in schema
        ]
        assert undescribed == []


def fields(schema: dict, path: str) -> list[tuple[str, dict]]:
    found = []
    for name, one in schema.get("properties", {}).items():
        if path or name in ("spec", "status"):
            found += [] if not path else [(f"{path}.{name}", one)]
            found += fields(one, f"{path}.{name}")
    return found + (fields(schema["items"], f"{path}[]") if "items" in schema else [])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--listen", "[::]:0"), ("--tls-certificate and --tls-key", "--token-file")),
        (("--listen", "192.0.2.1:0", "--token-file", "tokens"), ("--tls-certificate and --tls-key",)),
        (("--listen", "127.0.0.1"), ("must be ADDR:PORT",)),
        (("--admin-allow", "10.0.0.1/8", "--admin-allow", "lan"), ("'10.0.0.1/8'", "'lan'")),
    ],
    ids=["all addresses without TLS and tokens", "without TLS", "no port", "two networks that are none"],
)
def test_run_refuses_flags_that_would_give_the_table_away(flags: tuple[str, ...], said: tuple[str, ...]) -> None:
    done = run("run", "--kubeconfig", "nowhere", *flags)
    assert done.returncode == 2
    assert [words for words in said if words not in done.stderr] == [], done.stderr
