"""What IAM counts, the local cloud counts too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quartermaster.infra.local.provider.kind import Api
from quartermaster.infra.local.provider.table import TABLE

ROLE = TABLE["aws:iam/role:Role"]
TRUST = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield Api(lambda service, region: boto3.client(service, region_name=region), "eu-west-1", "123456789012")


@pytest.mark.parametrize(("characters", "refused"), [(2048, []), (2049, ["assumeRolePolicy"])])
def test_a_trust_policy_is_counted_without_white_space(characters: int, refused: list[str]) -> None:
    given = {"name": "web", "assumeRolePolicy": " \n" + "x" * characters}
    assert [name for name, _ in ROLE.refuse(given)] == refused


def test_the_inline_policies_of_a_role_are_counted() -> None:
    kind = TABLE["aws:iam/rolePolicy:RolePolicy"]
    assert [name for name, _ in kind.refuse({"policy": "x" * 10_241})] == ["policy"]
    assert list(kind.refuse({"policy": "x" * 10_240})) == []


def test_an_eleventh_managed_policy_is_refused(api: Api) -> None:
    ROLE.create(api, {"name": "web", "assumeRolePolicy": TRUST})
    policies = [item["Arn"] for item in api.client("iam").list_policies(Scope="AWS", MaxItems=11)["Policies"]]
    attach = TABLE["aws:iam/rolePolicyAttachment:RolePolicyAttachment"].create
    for arn in policies[:10]:
        attach(api, {"role": "web", "policyArn": arn})
    with pytest.raises(ValueError, match="10 managed policies"):
        attach(api, {"role": "web", "policyArn": policies[10]})


def test_a_roles_session_and_description_change_in_place(api: Api) -> None:
    given = {"name": "web", "assumeRolePolicy": TRUST, "description": "hosts"}
    id_ = ROLE.create(api, given)
    changed = {**given, "description": "hosts of web", "maxSessionDuration": 7200}
    ROLE.update(api, id_, given, changed)
    found = ROLE.read(api, id_, changed)
    assert found is not None
    assert (found["description"], found["maxSessionDuration"]) == ("hosts of web", 7200)
