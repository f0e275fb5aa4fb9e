"""``ops prices``: the price table that costs and plans are counted with."""

from __future__ import annotations

from quartermaster.cli.group import Group
from quartermaster.cli.output import confirm, emit, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

__all__ = ["group"]

group = Group("prices", "The dated price table behind every cost.")


@group.command("update", example="ops prices update --stack prod")
def update() -> None:
    """Read list prices of the fleet's regions from AWS, show what they change, and keep them for this user."""
    from quartermaster.fleet.price_file import own_file, read_own, write_own
    from quartermaster.fleet.price_list import API_REGION, fetch_prices, moved
    from quartermaster.fleet.prices import load_prices

    ops = session()
    if ops.declared.target != "aws":
        remedy = "--stack with one whose target is aws, and its credentials"
        raise InputError(f"stack {ops.stack}: the local cloud has no price list", remedy=remedy)
    regions = [region for region in (ops.fleet.region, ops.fleet.recovery_region) if region]
    client = ops.cloud.client("pricing", region=API_REGION)
    fetched = fetch_prices(client, regions, load_prices(), ops.clock.now().date())
    after = read_own().merged(fetched.prices)
    changes = moved(load_prices(), fetched.prices)
    rows = [(one.region, one.name, one.before, one.after) for one in changes]
    text = table(["region", "price", "#before", "#after"], rows) if rows else "no price changes\n"
    text += "".join(f"left out: {one.region} {one.name}: {one.why}\n" for one in fetched.left_out)
    confirm(f"Keep these in {own_file()}?", plan=text)
    file = write_own(after)
    document = {
        "file": str(file),
        "dated": after.dated,
        "source": after.source,
        "changed": [
            {"region": one.region, "name": one.name, "before": str(one.before or ""), "after": str(one.after)}
            for one in changes
        ],
        "left_out": [{"region": one.region, "name": one.name, "why": one.why} for one in fetched.left_out],
    }
    emit(document, f"{len(changes)} prices of {after.dated} in {file}")
