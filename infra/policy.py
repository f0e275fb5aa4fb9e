"""Policy: rules that every stack is held to, run on the previewed resources before anything is made. Pure.

A value that is known only after creation (UNKNOWN) breaks no rule: what cannot be read is not accused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from quartermaster.fleet.schema import Fleet
from quartermaster.infra.inputs import HIDDEN, covers, holds, is_world, items, part, sources, statements, texts
from quartermaster.infra.resources import UNKNOWN, Resource

__all__ = ["RULES", "Finding", "Scene", "Severity", "check"]

Severity = Literal["mandatory", "advisory"]
"""mandatory findings block ``up``; advisory ones are shown."""

_POLICIES = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy")
_ADMINISTRATOR = "policy/AdministratorAccess"
_ADMIN_PORTS = {22: "ssh", 3389: "remote desktop", 5432: "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a resource breaks."""

    rule: str
    severity: Severity
    resource: str
    """URN."""
    reason: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rule looks at."""

    resources: tuple[Resource, ...]
    fleet: Fleet
    stack: str

    @property
    def protected(self) -> bool:
        return self.fleet.stacks[self.stack].protect

    def of(self, *types: str) -> Iterator[Resource]:
        """Resources of these types."""
        return (resource for resource in self.resources if resource.type in types)

    def companion(self, bucket: Resource, type_: str) -> Resource | None:
        """The resource that sets something of a bucket: it names the bucket, or bears its logical name."""
        for one in self.of(type_):
            named = one.inputs.get("bucket")
            if named == bucket.inputs.get("bucket") or (named == UNKNOWN and one.name == bucket.name):
                return one
        return None


Broken = Iterator[tuple[Severity, Resource, str, str]]
"""What a rule yields: severity, resource, reason, remedy."""


def check(resources: Iterable[Resource], fleet: Fleet, stack: str) -> list[Finding]:
    """What the resources break, mandatory findings first."""
    scene = Scene(tuple(resources), fleet, stack)
    found = [
        Finding(name.replace("_", "-"), severity, resource.urn, reason, remedy)
        for name, rule in RULES.items()
        for severity, resource, reason, remedy in rule(scene)
    ]
    return sorted(found, key=lambda finding: finding.severity == "advisory")


def encryption_at_rest(scene: Scene) -> Broken:
    """Whatever holds data is encrypted."""
    remedy = "encrypt it with the stack's key"
    for one in scene.of("aws:rds/instance:Instance"):
        # A replica has the encryption of its source.
        if not one.inputs.get("replicateSourceDb") and not holds(one.inputs.get("storageEncrypted")):
            yield "mandatory", one, f"database {one.name} is stored unencrypted", f"storageEncrypted: {remedy}"
    for one in scene.of("aws:dynamodb/table:Table"):
        if not holds(part(one.inputs.get("serverSideEncryption")).get("enabled")):
            yield "mandatory", one, f"table {one.name} has no key of its own", f"serverSideEncryption: {remedy}"
    for one in scene.of("aws:ec2/launchTemplate:LaunchTemplate"):
        for mapping in items(one.inputs.get("blockDeviceMappings")):
            if mapping.get("ebs") and not holds(part(mapping["ebs"]).get("encrypted")):
                yield "mandatory", one, f"a disk of hosts of {one.name} is unencrypted", f"ebs.encrypted: {remedy}"
    for one in scene.of("aws:ebs/volume:Volume"):
        if not holds(one.inputs.get("encrypted")):
            yield "mandatory", one, f"volume {one.name} is unencrypted", f"encrypted: {remedy}"
    for one in scene.of("aws:backup/vault:Vault"):
        if not one.inputs.get("kmsKeyArn"):
            yield "mandatory", one, f"vault {one.name} has no key of its own", f"kmsKeyArn: {remedy}"
    for one in scene.of("aws:s3/bucket:Bucket"):
        kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
        if scene.companion(one, kind) is None:
            yield "mandatory", one, f"bucket {one.name} has no encryption of ours", f"add encryption to it: {remedy}"


def key_rotation(scene: Scene) -> Broken:
    """Keys are rotated every year."""
    for one in scene.of("aws:kms/key:Key"):
        if not holds(one.inputs.get("enableKeyRotation")):
            yield "mandatory", one, f"key {one.name} is never rotated", "enableKeyRotation: true"


def imdsv2(scene: Scene) -> Broken:
    """Hosts give their credentials to those only who ask with a token."""
    for one in scene.of("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance"):
        if part(one.inputs.get("metadataOptions")).get("httpTokens") not in ("required", *HIDDEN):
            reason = f"{one.name} answers metadata requests without a token (IMDSv1)"
            yield "mandatory", one, reason, "metadataOptions.httpTokens: required"


def no_public_database(scene: Scene) -> Broken:
    """Databases have no public address."""
    for one in scene.of("aws:rds/instance:Instance"):
        if one.inputs.get("publiclyAccessible") is True:
            yield "mandatory", one, f"database {one.name} is reachable from the internet", "publiclyAccessible: false"


def no_public_bucket(scene: Scene) -> Broken:
    """Buckets block public access in all four ways."""
    ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for one in scene.of("aws:s3/bucket:Bucket"):
        block = scene.companion(one, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
        missing = [way for way in ways if block is None or not holds(block.inputs.get(way))]
        if missing:
            yield "mandatory", one, f"bucket {one.name} may become public", f"set {', '.join(missing)}"


def least_privilege(scene: Scene) -> Broken:
    """No policy allows every action of a service on every resource."""
    for one in scene.of(*_POLICIES):
        for statement in statements(one.inputs.get("policy")):
            actions = [action for action in texts(statement.get("Action")) if action == "*" or action.endswith(":*")]
            if statement.get("Effect") == "Allow" and actions and "*" in texts(statement.get("Resource")):
                reason = f"policy {one.name} allows {', '.join(actions)} on everything"
                yield "mandatory", one, reason, "name the actions and the resources"
    for one in scene.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        if str(one.inputs.get("policyArn")).endswith(_ADMINISTRATOR):
            yield "mandatory", one, f"{one.name} makes a role administrator of the account", "attach what it needs"


def no_open_admin_port(scene: Scene) -> Broken:
    """Nothing that administers is open to the world: hosts are reached over SSM."""
    rules = ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:ec2/securityGroupRule:SecurityGroupRule")
    for one in scene.of(*rules, "aws:ec2/securityGroup:SecurityGroup"):
        inline = one.type == "aws:ec2/securityGroup:SecurityGroup"
        if one.inputs.get("type") == "egress":
            continue
        for rule in items(one.inputs.get("ingress")) if inline else [one.inputs]:
            open_ports = [what for port, what in _ADMIN_PORTS.items() if covers(rule, port)]
            if open_ports and any(is_world(cidr) for cidr in sources(rule)):
                reason = f"{', '.join(open_ports)} {'is' if len(open_ports) == 1 else 'are'} open to the world"
                yield "mandatory", one, reason, "allow a security group or a private range"


def database_backup(scene: Scene) -> Broken:
    """Every database is in a backup plan and can go back to a point in time."""
    selected = [arn for one in scene.of("aws:backup/selection:Selection") for arn in texts(one.inputs.get("resources"))]
    unseen = sum(arn in HIDDEN for arn in selected)
    for one in scene.of("aws:rds/instance:Instance", "aws:dynamodb/table:Table"):
        if one.inputs.get("replicateSourceDb"):
            continue
        table = one.type == "aws:dynamodb/table:Table"
        name = str(one.inputs.get("name" if table else "identifier"))
        if not any(arn == "*" or arn.endswith((f":{name}", f"/{name}")) for arn in selected):
            # ARNs that are not known yet stand for one database each.
            if unseen:
                unseen -= 1
            else:
                yield "mandatory", one, f"{one.name} is in no backup plan", "add a rule to backups.rules"
        days = one.inputs.get("backupRetentionPeriod")
        kept = holds(part(one.inputs.get("pointInTimeRecovery")).get("enabled")) if table else days in HIDDEN or days
        if not kept:
            remedy = "pointInTimeRecovery: {enabled: true}" if table else "backupRetentionPeriod: 7"
            yield "mandatory", one, f"{one.name} cannot go back to a point in time", remedy


def spread_over_zones(scene: Scene) -> Broken:
    """Groups and balancers stand in as many zones as the fleet uses; a protected database has a standby."""
    for one in scene.of("aws:autoscaling/group:Group", "aws:lb/loadBalancer:LoadBalancer"):
        key = "vpcZoneIdentifiers" if one.type == "aws:autoscaling/group:Group" else "subnets"
        subnets = one.inputs.get(key)
        if subnets not in HIDDEN and len(texts(subnets)) < scene.fleet.zones:
            reason = f"{one.name} stands in {len(texts(subnets))} of {scene.fleet.zones} zones"
            yield "mandatory", one, reason, f"{key}: a subnet in each zone"
    for one in scene.of("aws:rds/instance:Instance"):
        if not one.inputs.get("replicateSourceDb") and not holds(one.inputs.get("multiAz")):
            severity: Severity = "mandatory" if scene.protected else "advisory"
            reason = f"database {one.name} is lost with its zone"
            yield severity, one, reason, f"databases.{one.name}.standby: true"


def deletion_protection(scene: Scene) -> Broken:
    """What a protected stack could not get back is not deleted by one call."""
    keys = {
        "aws:rds/instance:Instance": "deletionProtection",
        "aws:dynamodb/table:Table": "deletionProtectionEnabled",
        "aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection",
    }
    for one in scene.of(*keys) if scene.protected else ():
        if not holds(one.inputs.get(keys[one.type])):
            reason = f"{one.name} of the protected stack {scene.stack} can be deleted"
            yield "mandatory", one, reason, f"{keys[one.type]}: true"
    for one in scene.of("aws:s3/bucket:Bucket", "aws:backup/vault:Vault") if scene.protected else ():
        if one.inputs.get("forceDestroy") is True:
            yield "mandatory", one, f"{one.name} would be deleted with all that it holds", "forceDestroy: false"


def tls_only(scene: Scene) -> Broken:
    """Listeners speak TLS or redirect to it; buckets refuse plain HTTP. The local cloud has no certificates."""
    if scene.fleet.stacks[scene.stack].target != "aws":
        return
    for one in scene.of("aws:s3/bucket:Bucket"):
        policy = scene.companion(one, "aws:s3/bucketPolicy:BucketPolicy")
        text = "" if policy is None else str(policy.inputs.get("policy"))
        if text not in HIDDEN and "aws:SecureTransport" not in text:
            yield "mandatory", one, f"bucket {one.name} answers without TLS", "deny where aws:SecureTransport is false"
    for one in scene.of("aws:lb/listener:Listener"):
        redirects = any(action.get("type") == "redirect" for action in items(one.inputs.get("defaultActions")))
        if one.inputs.get("protocol") == "HTTP" and not redirects:
            yield "advisory", one, f"listener {one.name} speaks plain HTTP", "end TLS before it, or on it"


RULES = {
    rule.__name__: rule
    for rule in (
        encryption_at_rest,
        key_rotation,
        imdsv2,
        no_public_database,
        no_public_bucket,
        least_privilege,
        no_open_admin_port,
        database_backup,
        spread_over_zones,
        deletion_protection,
        tls_only,
    )
}
