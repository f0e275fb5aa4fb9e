"""Where the state of stacks on ``aws`` lives: a bucket, the key that encrypts it, and the table of leases.

All three bear the bucket's name, so that rights can be told by it (``infra.permissions``). Looks first, decides what is
lacking as steps, then takes them: a second run has none to take.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.names import TAG_FLEET, state_bucket
from quartermaster.infra.policies import document, tls_only

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet

__all__ = ["Home", "Step", "apply", "home", "plan", "secrets_provider"]

_PRIVATE = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@dataclass(frozen=True, slots=True)
class Home:
    """The names of one state."""

    name: str
    """Of the bucket, the key's alias and the table."""
    account: str
    region: str
    fleet: str

    @property
    def state(self) -> str:
        """What fleet.yaml says under ``state``."""
        return f"s3://{self.name}"

    @property
    def alias(self) -> str:
        return f"alias/{self.name}"

    @property
    def key(self) -> str:
        """The key by its alias, as S3 and DynamoDB take it: steps need not know its id."""
        return f"arn:aws:kms:{self.region}:{self.account}:{self.alias}"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is lacking."""

    title: str
    act: Callable[[Cloud], object]


def home(fleet: Fleet, stack: str) -> Home:
    """Where the stack's state is or should be. Raises InputError for a stack that keeps it elsewhere. Pure."""
    declared = fleet.stacks[stack]
    where = f"stacks.{stack}.state"
    if declared.target != "aws":
        problem = f"stack {stack} is local: its state is the folder .ops/state"
        raise InputError(problem, remedy="--stack with one whose target is aws")
    if declared.state and not declared.state.startswith("s3://"):
        problem = f"{declared.state} is no bucket: there is nothing to make for it"
        raise InputError(problem, [Fault(where, problem, "s3://BUCKET, or leave it out")])
    # Bucket names are the world's: the account's number keeps ours apart.
    return Home(
        state_bucket(declared.state) or f"{fleet.fleet}-ops-state-{declared.account}",
        declared.account,
        fleet.region,
        fleet.fleet,
    )


def secrets_provider(state: str, region: str) -> str:
    """What Pulumi encrypts the secrets of such a state with: the key of its bucket; empty for another backend. Pure."""
    name = state_bucket(state)
    return f"awskms://alias/{name}?region={region}" if name else ""


def plan(cloud: Cloud, wanted: Home) -> tuple[Step, ...]:
    """What is lacking, in the order in which it can be made. Read-only. Raises InputError for another's bucket."""
    return (*_key(cloud, wanted), *_bucket(cloud, wanted), *_table(cloud, wanted))


def apply(cloud: Cloud, steps: Sequence[Step]) -> Iterator[Event]:
    """Take the steps; one event before and after each. What fails ends it: the next run goes on from there."""
    for number, step in enumerate(steps):
        name, begun = f"bootstrap-{number}", time.monotonic()
        yield StepStarted(step=name, title=step.title)
        try:
            step.act(cloud)
        except Exception as exc:
            yield StepFailed(step=name, title=step.title, error=str(exc), seconds=time.monotonic() - begun)
            raise
        yield StepFinished(step=name, title=step.title, seconds=time.monotonic() - begun)


def _key(cloud: Cloud, wanted: Home) -> Iterator[Step]:
    kms = cloud.client("kms", region=wanted.region)
    found = [page["Aliases"] for page in kms.get_paginator("list_aliases").paginate()]
    target = next((a["TargetKeyId"] for page in found for a in page if a["AliasName"] == wanted.alias), "")
    if not target:
        yield Step(f"key {wanted.alias}, rotated", lambda cloud: _make_key(cloud, wanted))
    elif not kms.get_key_rotation_status(KeyId=target)["KeyRotationEnabled"]:
        yield Step(
            f"rotation of key {wanted.alias}",
            lambda cloud: cloud.client("kms", region=wanted.region).enable_key_rotation(KeyId=target),
        )


def _make_key(cloud: Cloud, wanted: Home) -> None:
    kms = cloud.client("kms", region=wanted.region)
    key = kms.create_key(
        Description=f"State of fleet {wanted.fleet}: its bucket, its secrets, its leases",
        Tags=[{"TagKey": TAG_FLEET, "TagValue": wanted.fleet}],
    )["KeyMetadata"]["KeyId"]
    # The alias first: by it the key is found again if this is cut short.
    kms.create_alias(AliasName=wanted.alias, TargetKeyId=key)
    kms.enable_key_rotation(KeyId=key)


def _bucket(cloud: Cloud, wanted: Home) -> Iterator[Step]:
    s3, of = cloud.client("s3", region=wanted.region), {"Bucket": wanted.name}
    there = _bucket_is_there(s3, wanted)

    def put(operation: str, **arguments: Any) -> Callable[[Cloud], object]:
        return lambda cloud: getattr(cloud.client("s3", region=wanted.region), operation)(**of, **arguments)

    if not there:
        # us-east-1 is where S3 is without a word.
        place = {} if wanted.region == "us-east-1" else {"LocationConstraint": wanted.region}
        yield Step(
            f"bucket {wanted.name}", put("create_bucket", **({"CreateBucketConfiguration": place} if place else {}))
        )
    if not there or s3.get_bucket_versioning(**of).get("Status") != "Enabled":
        yield Step(
            "versions of its objects", put("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
        )
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": wanted.key},
        "BucketKeyEnabled": True,
    }
    if not there or not _has_rule(_asked(s3.get_bucket_encryption, **of), rule):
        yield Step(
            "its encryption with the key",
            put("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": [rule]}),
        )
    blocked = _asked(s3.get_public_access_block, **of).get("PublicAccessBlockConfiguration") if there else None
    if blocked != _PRIVATE:
        yield Step("its public access blocked", put("put_public_access_block", PublicAccessBlockConfiguration=_PRIVATE))
    statement = tls_only(f"arn:aws:s3:::{wanted.name}")
    said = json.loads(_asked(s3.get_bucket_policy, **of).get("Policy", "{}") if there else "{}").get("Statement", [])
    if statement not in said:
        yield Step("its policy: TLS only", put("put_bucket_policy", Policy=document([*said, statement])))


def _bucket_is_there(s3: Any, wanted: Home) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=wanted.name, ExpectedBucketOwner=wanted.account)
    except ClientError as exc:
        if exc.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        problem = f"bucket {wanted.name} belongs to another account"
        remedy = "another name: state: s3://NAME, which all of AWS must not have yet"
        raise InputError(problem, [Fault("stacks", problem, remedy)]) from exc
    region = s3.get_bucket_location(Bucket=wanted.name)["LocationConstraint"] or "us-east-1"
    if region != wanted.region:
        problem = f"bucket {wanted.name} is in {region}, and the fleet in {wanted.region}"
        raise InputError(problem, [Fault("stacks", problem, "another name: state: s3://NAME")])
    return True


def _asked(read: Callable[..., dict[str, Any]], **of: str) -> dict[str, Any]:
    """The answer; empty where S3 answers that nothing is set, which it does with an error."""
    from botocore.exceptions import ClientError

    try:
        return read(**of)
    except ClientError as exc:
        if exc.response["Error"]["Code"].startswith(("NoSuch", "ServerSideEncryptionConfigurationNotFound")):
            return {}
        raise


def _has_rule(found: dict[str, Any], rule: dict[str, Any]) -> bool:
    rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return any(rule.items() <= other.items() for other in rules)


def _table(cloud: Cloud, wanted: Home) -> Iterator[Step]:
    dynamodb = cloud.client("dynamodb", region=wanted.region)
    names = [name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]]
    there = wanted.name in names
    if there and dynamodb.describe_table(TableName=wanted.name)["Table"]["KeySchema"] != _SCHEMA:
        problem = f"table {wanted.name} exists and is not one of leases"
        raise InputError(problem, [Fault("stacks", problem, "another name: state: s3://NAME")])
    if not there:
        yield Step(f"table of leases {wanted.name}", lambda cloud: _make_table(cloud, wanted))
    if not there or not _is_restorable(dynamodb, wanted.name):
        yield Step(
            "its recovery to a point in time",
            lambda cloud: cloud.client("dynamodb", region=wanted.region).update_continuous_backups(
                TableName=wanted.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            ),
        )


_SCHEMA = [{"AttributeName": "scope", "KeyType": "HASH"}]


def _make_table(cloud: Cloud, wanted: Home) -> None:
    dynamodb = cloud.client("dynamodb", region=wanted.region)
    dynamodb.create_table(
        TableName=wanted.name,
        KeySchema=_SCHEMA,
        AttributeDefinitions=[{"AttributeName": "scope", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": wanted.key},
        DeletionProtectionEnabled=True,
        Tags=[{"Key": TAG_FLEET, "Value": wanted.fleet}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=wanted.name, WaiterConfig={"Delay": 2, "MaxAttempts": 60})


def _is_restorable(dynamodb: Any, name: str) -> bool:
    found = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return bool(found.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED")
