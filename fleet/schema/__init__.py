"""fleet.yaml: the model of it, loading with every fault at once, the example, the JSON Schema, and edits."""

from quartermaster.fleet.schema.base import Share
from quartermaster.fleet.schema.data import Bucket, Database
from quartermaster.fleet.schema.load import Loaded, find_fleet, load_fleet, read_fleet, read_text, refusal
from quartermaster.fleet.schema.model import Ansible, Dns, Fleet, Network, Notify, Stack
from quartermaster.fleet.schema.planning import Capacity, Event, Freeze, Metrics, Patching
from quartermaster.fleet.schema.publish import example, json_schema
from quartermaster.fleet.schema.safety import (
    Alarms,
    Backups,
    Drill,
    IgnoredDrift,
    Objective,
    Objectives,
    Recovery,
    Waiver,
)
from quartermaster.fleet.schema.servers import Balancer, Cluster, Scaling, ScheduleEntry

__all__ = [
    "Alarms",
    "Ansible",
    "Backups",
    "Balancer",
    "Bucket",
    "Capacity",
    "Cluster",
    "Database",
    "Dns",
    "Drill",
    "Event",
    "Fleet",
    "Freeze",
    "IgnoredDrift",
    "Loaded",
    "Metrics",
    "Network",
    "Notify",
    "Objective",
    "Objectives",
    "Patching",
    "Recovery",
    "Scaling",
    "ScheduleEntry",
    "Share",
    "Stack",
    "Waiver",
    "example",
    "find_fleet",
    "json_schema",
    "load_fleet",
    "read_fleet",
    "read_text",
    "refusal",
]
