"""The commands, one file each. `app` has all of them."""

from kun_nat64.cli.command_line import app
from kun_nat64.cli.commands import (
    apply,
    check_config,
    config_schema,
    confirm,
    doctor,
    drain,
    explain,
    fleet,
    path_test,
    plan,
    rollback,
    run,
    size,
    status,
    support_bundle,
    table,
    teardown,
    undrain,
    who,
    withdraw,
)

# As the help lists them.
IN_ORDER = (
    check_config.check_config,
    config_schema.config_schema,
    doctor.doctor,
    plan.plan,
    apply.apply,
    confirm.confirm,
    rollback.rollback,
    run.run,
    status.status,
    fleet.fleet,
    path_test.path_test,
    size.size,
    support_bundle.support_bundle,
    drain.drain,
    undrain.undrain,
    table.table,
    teardown.teardown,
    withdraw.withdraw,
    explain.explain,
    who.who,
)

app.registered_commands.sort(key=lambda command: IN_ORDER.index(command.callback))

__all__ = ["app"]
