"""The roles as data: what they take is typed, kept in the guide, and asked of a fleet before a host is touched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks import bundle, role_specs

TREE = Path(__file__).parents[2]
ROLES = sorted((TREE / "playbooks/roles").iterdir())
GUIDE = TREE / "docs/guide/roles.md"


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def options(role: Path) -> dict[str, Any]:
    return dict(read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def refused(**variables: Any) -> tuple[Fault, ...]:
    fleet = Fleet.model_validate({"fleet": "shop", "clusters": {"web": {}}, "ansible": {"vars": variables}})
    with pytest.raises(InputError) as caught:
        bundle.build(fleet)
    assert caught.value.exit_code == 2
    return tuple(caught.value.faults)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_an_option_with_that_default(role: Path) -> None:
    defaults = dict(read(role / "defaults/main.yml"))
    assert defaults == {name: spec["default"] for name, spec in options(role).items() if "default" in spec}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_pass_the_check_that_the_fleets_variables_pass(role: Path) -> None:
    assert not role_specs.faults({role.name: options(role)}, read(role / "defaults/main.yml"))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_that_a_template_or_task_names_by_its_role_is_known(role: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in role.rglob("*") if path.suffix in (".yml", ".j2")]
    inner = read(role / "vars/main.yml")
    registered = set(re.findall(r"register: (\w+)", "\n".join(texts)))
    local = set(re.findall(r"^ +(\w+): \"?\{\{", "\n".join(texts), re.MULTILINE)) | {"base_wanted"}
    shared = options(TREE / "playbooks/roles/web").keys() | {"base_installed"}
    used = set(re.findall(rf"\{{[{{%][^}}]*?\b({role.name}_\w+)", "\n".join(texts)))
    assert used <= options(role).keys() | inner.keys() | registered | local | shared


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("web_port", "eighty", "unable to convert to int"),
        ("base_users", "ann", "dictionary requested"),
        ("base_users", [{"name": "ann"}], "missing required arguments: keys"),
        ("base_sysctl", 4096, "unable to convert to dict"),
        ("balancer_algorithm", "fastest", "value of balancer_algorithm must be one of: leastconn"),
        ("balancer_backends", [{"name": "a", "addres": "10.0.0.1"}], "address"),
        ("node_exporter_enabled", "perhaps", "unable to convert to bool"),
    ],
)
def test_a_variable_of_another_type_is_refused_by_its_name(name: str, value: Any, said: str) -> None:
    (fault, *_) = refused(**{name: value})
    assert fault.where == f"ansible.vars.{name}"
    assert said in fault.problem
    assert fault.remedy.startswith(f"{name}: ")


def test_every_fault_is_told_at_once() -> None:
    found = refused(web_port="eighty", base_open_files=[], web_prot=80)
    assert [fault.where for fault in found] == [
        f"ansible.vars.{name}" for name in ("base_open_files", "web_port", "web_prot")
    ]


def test_a_secret_of_another_type_is_not_told() -> None:
    known = {"vault": {"vault_pin": {"type": "int", "no_log": True}}}
    (fault,) = role_specs.faults(known, {"vault_pin": "hidden"})
    assert "hidden" not in str(fault)


def test_a_variable_that_a_role_does_not_take_is_refused_with_those_that_it_takes() -> None:
    (fault,) = refused(node_exporter_prot=9100)
    assert fault.problem == "role node_exporter takes no variable 'node_exporter_prot'"
    assert "node_exporter_port" in fault.remedy


def test_a_cluster_whose_role_lacks_what_it_needs_is_refused() -> None:
    with pytest.raises(InputError, match="role postgres needs postgres_primary") as caught:
        bundle.build(Fleet.model_validate({"fleet": "shop", "clusters": {"books": {"role": "postgres"}}}))
    assert [fault.where for fault in caught.value.faults] == ["clusters.books.role"]


def test_what_a_host_alone_can_tell_is_left_to_it() -> None:
    variables = {"web_port": "{{ 8000 + 80 }}", "base_sysctl": {"vm.swappiness": "{{ 1 }}"}, "shop_colour": "green"}
    bundle.build(Fleet.model_validate({"fleet": "shop", "clusters": {"web": {}}, "ansible": {"vars": variables}}))


def test_an_own_role_is_held_to_its_own_spec(tmp_path: Path) -> None:
    meta = tmp_path / "roles/web/meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text("argument_specs: {main: {options: {web_greeting: {type: str}}}}\n")
    text = {"fleet": "shop", "clusters": {"web": {}}, "ansible": {"roles_path": "roles", "vars": {"web_port": 81}}}
    with pytest.raises(InputError, match="role web takes no variable 'web_port'"):
        bundle.build(Fleet.model_validate(text), tmp_path)


def test_the_system_patches_itself_only_where_no_cycle_rules() -> None:
    text = {"fleet": "shop", "clusters": {"web": {}, "mail": {"role": "base"}}, "patching": {"web": {}}}
    fleet = Fleet.model_validate(text)
    assert [bundle.cluster_vars(fleet, name)["base_patch_cycle"] for name in ("web", "mail")] == [True, False]


def test_hosts_tell_prometheus_of_themselves_where_the_metrics_come_from_it() -> None:
    source = {"kind": "prometheus", "url": "http://prometheus.shop.example:9090"}
    fleet = Fleet.model_validate({"fleet": "shop", "clusters": {"web": {}}, "metrics": {"source": source}})
    assert bundle.cluster_vars(fleet, "web")["node_exporter_enabled"]


def test_the_guide_names_every_variable_with_its_type_and_default() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for role in ROLES:
        _, _, rest = text.partition(f"## {role.name}\n")
        section = rest.partition("\n## ")[0]
        assert re.findall(r"^\| `.*$", section, re.MULTILINE) == [_row(*each) for each in options(role).items()], (
            role.name
        )


def _row(name: str, spec: dict[str, Any]) -> str:
    kind = f"{spec['type']} of {spec['elements']}" if "elements" in spec else spec["type"]
    default = f"`{spec['default']}`" if "default" in spec else "required" if spec.get("required") else ""
    return f"| `{name}` | {kind} | {default} | {spec['description'].strip()} |"


def test_lists_of_a_fleet_file_are_lists_to_the_roles() -> None:
    known = {"web": {"web_packages": {"type": "list", "elements": "str"}, "web_more": {"type": "dict"}}}
    assert not role_specs.faults(known, {"web_packages": ("shop-page",), "web_more": {"of": ("a",)}})
