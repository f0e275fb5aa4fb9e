"""The launch template of a cluster: what each of its hosts starts as."""

from __future__ import annotations

import base64

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Cluster as Declared
from quartermaster.infra.access import ClusterAccess
from quartermaster.infra.images import Image
from quartermaster.infra.keyring import Keys
from quartermaster.infra.layout import Layout

__all__ = ["launch_template"]


def launch_template(
    layout: Layout,
    name: str,
    declared: Declared,
    *,
    image: Image,
    user_data: str,
    keys: Keys,
    access: ClusterAccess,
    opts: pulumi.ResourceOptions,
) -> aws.ec2.LaunchTemplate:
    """Metadata by session token only and one hop deep, so that no container or forwarded request on the host gets its
    credentials; the system's volume encrypted with the stack's key. Each change is a new version, which hosts take
    up when they are replaced and not before.
    """
    return aws.ec2.LaunchTemplate(
        name,
        name=layout.name(name),
        image_id=image.id,
        instance_type=declared.instance,
        key_name=keys.pair.key_name,
        user_data=base64.b64encode(user_data.encode()).decode() if user_data else None,
        vpc_security_group_ids=[access.hosts.id],
        iam_instance_profile={"arn": access.profile.arn},
        metadata_options={
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,
            "instance_metadata_tags": "enabled",
        },
        monitoring={"enabled": True},
        block_device_mappings=[
            {
                "device_name": image.root_device,
                "ebs": {
                    "encrypted": "true",
                    "kms_key_id": keys.data.arn,
                    "delete_on_termination": "true",
                    "volume_type": "gp3",
                    "volume_size": declared.disk_gib,
                },
            }
        ],
        tag_specifications=[{"resource_type": "volume", "tags": dict(layout.tags(name))}],
        tags=dict(layout.tags(name)),
        opts=opts,
    )
