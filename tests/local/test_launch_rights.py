"""A volume's key must let Auto Scaling use it, or no host ever starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.infra.keyring import key_policy
from quartermaster.infra.local.provider.kind import Api
from quartermaster.infra.local.provider.launch_rights import check_launch

ACCOUNT = "123456789012"


@pytest.fixture
def api() -> Iterator[Api]:
    def connect(service: str, region: str) -> Any:
        return boto3.client(service, region_name=region, aws_access_key_id="A", aws_secret_access_key="s")

    with mock_aws():
        yield Api(connect, "eu-west-1", ACCOUNT)


def template(api: Api, **policy: str) -> dict[str, str]:
    key = api.client("kms").create_key(**policy)["KeyMetadata"]["Arn"]
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": key}}
    made = api.client("ec2").create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"BlockDeviceMappings": [disk]}
    )
    return {"id": made["LaunchTemplate"]["LaunchTemplateId"], "version": "1"}


def test_a_key_that_only_the_account_may_use_is_refused(api: Api) -> None:
    with pytest.raises(PermissionError, match="AWSServiceRoleForAutoScaling do kms:CreateGrant, kms:Decrypt"):
        check_launch(api, template(api))


def test_the_stacks_own_key_for_data_is_one_that_works_and_that_for_logs_is_not(api: Api) -> None:
    check_launch(api, template(api, Policy=key_policy("data", ACCOUNT, "eu-west-1")))
    api.client("ec2").delete_launch_template(LaunchTemplateName="web")
    with pytest.raises(PermissionError):
        check_launch(api, template(api, Policy=key_policy("logs", ACCOUNT, "eu-west-1")))


def test_a_template_without_a_key_of_ours_is_nothing_to_check(api: Api) -> None:
    made = api.client("ec2").create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"KeyName": "k"})
    check_launch(api, {"id": made["LaunchTemplate"]["LaunchTemplateId"]})
