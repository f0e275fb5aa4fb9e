"""The table of all types that the local cloud makes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from quartermaster.infra.local.provider import (
    backups,
    balancers,
    bucket_rules,
    certificates,
    database_groups,
    databases,
    dns,
    ec2_access,
    ec2_acls,
    ec2_endpoints,
    ec2_routes,
    ec2_vpc,
    events,
    hooks,
    identity,
    keys,
    listeners,
    logs,
    notices,
    policies,
    restore_tests,
    scaling,
    schedules,
    stacks,
    storage,
    tables,
    target_groups,
    templates,
    trails,
    watching,
)
from quartermaster.infra.local.provider.kind import Kind, duplicate_free

__all__ = ["TABLE"]

_SERVICES = (
    backups, balancers, bucket_rules, certificates, database_groups, databases, dns, ec2_access, ec2_acls,
    ec2_endpoints, ec2_routes, ec2_vpc, events, hooks, identity, keys, listeners, logs, notices, policies,
    restore_tests, scaling, schedules, stacks, storage, tables, target_groups, templates, trails, watching,
)  # fmt: skip

TABLE: Mapping[str, Kind] = duplicate_free(chain.from_iterable(service.KINDS for service in _SERVICES))
"""By type token. A type that is not here is refused by name."""
