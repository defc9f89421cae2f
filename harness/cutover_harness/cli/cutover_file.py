"""`kafka-cutover file`: create, check, show, change and compare cutover files, control topics and ConfigMaps."""

from __future__ import annotations

import typer

from cutover_harness.cli import file_init, file_read, file_sign, file_write

app = typer.Typer(
    help="Create, check, show, change and compare cutover files, control topics and ConfigMaps.",
    no_args_is_help=True,
    add_completion=False,
)
app.command("init")(file_init.init)
app.command("check")(file_read.check)
app.command("show")(file_read.show)
app.command("set")(file_write.set_)
app.command("sign")(file_sign.sign)
app.command("diff")(file_read.diff)
