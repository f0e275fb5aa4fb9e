"""Rules over several fields: each a pure function from a fleet to the faults it finds, with no lines.

``RULES`` refuse; ``WARNINGS`` are told and nothing more.
"""

from collections.abc import Callable, Iterable

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules import balancers, data, network, planning, safety, servers, stacks, waivers

__all__ = ["RULES", "WARNINGS"]

Rule = Callable[[Fleet], Iterable[Fault]]

RULES: tuple[Rule, ...] = (
    stacks.region_is_known,
    stacks.recovery_region_is_another,
    stacks.zones_exist,
    stacks.aws_stacks_are_complete,
    stacks.journals_can_be_kept,
    stacks.names_fit_aws,
    stacks.notices_have_an_address,
    stacks.notices_can_come,
    network.ranges_are_usable,
    network.ranges_are_apart,
    network.existing_network_is_complete,
    network.addresses_suffice,
    servers.sizes_fit,
    servers.uses_name_what_exists,
    data.names_are_one_thing,
    data.buckets_can_be_kept,
    servers.schedules_can_run,
    balancers.balancers_can_balance,
    balancers.balancer_options_fit,
    balancers.weights_are_of_clusters,
    balancers.names_can_be_served,
    servers.scaling_can_track,
    data.databases_are_one_engine,
    data.databases_can_be_called_so,
    data.parameters_are_the_fleets_own,
    planning.names_are_known,
    planning.survivors_remain,
    planning.metric_sources_are_complete,
    planning.patching_fits_its_subject,
    planning.approvals_can_come,
    planning.patch_windows_are_long_enough,
    planning.freezes_run_forwards,
    planning.events_run_forwards,
    safety.backups_are_kept_as_locked,
    safety.copies_have_a_region,
    safety.compliance_needs_protection,
    safety.objectives_can_be_met,
    safety.checks_have_a_database,
    safety.drills_fit_their_subject,
    safety.stacks_that_allow_exist,
    waivers.waivers_name_rules,
)
WARNINGS: tuple[Rule, ...] = (
    network.balancers_can_grow,
    servers.fewer_hosts_than_zones,
    servers.instance_types_without_price,
    network.pilot_light_has_a_range,
    planning.survivors_are_busier,
    safety.databases_without_backup,
    safety.data_objectives_say_rpo,
)
