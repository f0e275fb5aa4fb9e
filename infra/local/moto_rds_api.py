"""What moto's RDS lacks of the API: performance insights, parameters that are reset, replicas that are their own.

What RDS does, rather than says, is in moto_rds.
"""

from __future__ import annotations

from typing import Any

__all__ = ["install"]

_INSIGHTS = {
    "enable_performance_insights": "performance_insights_enabled",
    "performance_insights_kms_key_id": "performance_insights_kms_key_id",
    "performance_insights_retention_period": "performance_insights_retention_period",
}


def install() -> None:
    """Teach moto, in this process, before its server starts. Call once."""
    from moto.rds.models import DBInstance, RDSBackend
    from moto.rds.responses import RDSResponse

    create, replicate = RDSBackend.create_db_instance, RDSBackend.create_db_instance_read_replica
    update = DBInstance.update

    def created(self: Any, db_kwargs: Any) -> Any:
        return _with_insights(create(self, db_kwargs), db_kwargs)

    def replicated(self: Any, db_kwargs: Any) -> Any:
        if db_kwargs["db_instance_identifier"] in self.databases:
            from moto.rds.exceptions import DBInstanceAlreadyExists

            raise DBInstanceAlreadyExists()
        logs = list(db_kwargs.get("enable_cloudwatch_logs_exports") or [])
        # The copy belongs to this region only at the end of it, and the group is one of this region.
        group = db_kwargs.pop("db_subnet_group_name", None)
        made = replicate(self, db_kwargs)
        if group:
            made.db_subnet_group_name = group
        # moto's replica is a copy of its source that shares the source's lists.
        made.enabled_cloudwatch_logs_exports = logs
        made.tags = list(db_kwargs.get("tags") or [])
        made.backup_retention_period = 0
        if str(made.source_db_instance_identifier).startswith("arn:"):
            made.db_parameter_group_name = None
        if "multi_az" not in db_kwargs:
            made.multi_az = False
        return _with_insights(made, db_kwargs)

    def updated(self: Any, *args: Any, **kwargs: Any) -> None:
        update(self, *args, **kwargs)
        _with_insights(self, kwargs)

    def remove_replica(self: Any, replica: Any) -> None:
        # Of another region moto adds the ARN, and would look for the name.
        gone = {replica.db_instance_arn, replica.db_instance_identifier}
        self.replicas[:] = [name for name in self.replicas if name not in gone]

    methods: Any = RDSBackend, DBInstance, RDSResponse
    methods[0].create_db_instance, methods[0].create_db_instance_read_replica = created, replicated
    methods[1].update, methods[1].remove_replica = updated, remove_replica
    methods[2].reset_db_parameter_group = _reset_db_parameter_group


def _with_insights(database: Any, given: Any) -> Any:
    for ours, theirs in _INSIGHTS.items():
        if ours in given:
            setattr(database, theirs, given[ours])
    return database


def _reset_db_parameter_group(self: Any) -> Any:
    from moto.core.responses import ActionResult

    name = self.params.get("DBParameterGroupName")
    group = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})[0]
    for parameter in self.params.get("Parameters", []):
        group.parameters.pop(parameter.original_dict()["ParameterName"], None)
    return ActionResult({"DBParameterGroupName": name})
