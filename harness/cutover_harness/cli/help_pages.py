"""Help pages: usage in the usual notation, types in words, commands by section, and examples at the end.

Typer takes the classes of commands from each application, so one place gives all of them these pages.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from cutover_harness.cli.examples import EXAMPLES, Example
from cutover_harness.cli.usage_errors import no_such_command
from cutover_harness.colours import painted
from cutover_harness.errors import UsageError

HELP_OPTIONS = ["--help", "-h"]
"""Set for the outermost command, whose settings the others inherit. Messages name the first one."""
WORDS = {"path": "FILE", "file": "FILE", "directory": "DIR", "int": "N", "float": "N", "str": "TEXT"}
"""Words for values whose option names none."""


class Page:
    """The help page of a command or a group; comes before Typer's class of it."""

    params: list[Any]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the base class
        """Return the parts of the usage line after the command."""
        arguments = [notation(each) for each in self.params if isinstance(each, TyperArgument)]
        more = getattr(self, "subcommand_metavar", None)
        return ["[OPTIONS]", *arguments, *([more] if more else [])]

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), f"{_heading('Usage')}: ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, and the commands of a group by section."""
        arguments = [param for param in self.params if isinstance(param, TyperArgument) and not param.hidden]
        rows = [(notation(each), (each.get_help_record(ctx) or ("", ""))[1]) for each in arguments]
        _section(formatter, "Arguments", rows)
        options = [each for each in self.get_params(ctx) if isinstance(each, TyperOption)]  # type: ignore[attr-defined]
        _section(formatter, "Options", [row for each in options if (row := each.get_help_record(ctx)) is not None])
        listed = self.sections()
        width = max((len(name) for lines in listed.values() for name, _ in lines), default=0)
        for title, lines in listed.items():
            _section(formatter, title, [(f"{name:<{width}}", line) for name, line in lines])

    def sections(self) -> dict[str, list[tuple[str, str]]]:
        """Return the commands of a group with their lines, by section."""
        commands: dict[str, Any] = getattr(self, "commands", {})
        lines = [(name, first_sentence(each.help or "")) for name, each in commands.items() if not each.hidden]
        return {"Commands": lines} if lines else {}

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each below what it does."""
        examples = EXAMPLES.get(path_of(ctx), ())
        if not examples:
            return
        formatter.write_paragraph()
        formatter.write_heading(_heading("Examples" if len(examples) > 1 else "Example"))
        for example in examples:
            formatter.write("".join(f"  {line}\n" for line in shown(example)))


class Command(Page, TyperCommand):
    """A command with a page."""


class GroupPage(Page):
    """The help page of a group; also names the command that was meant by a word that is none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and the other arguments. Raises UsageError if there is no such command."""
        known: dict[str, Any] = self.commands  # type: ignore[attr-defined]
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise UsageError(no_such_command(ctx.command_path, args[0], known))
        return super().resolve_command(ctx, args)  # type: ignore[misc]


class Group(GroupPage, TyperGroup):
    """A group with a page."""


def with_pages(app: typer.Typer) -> None:
    """Give an application's commands, and its group, pages."""
    for info in app.registered_commands:
        info.cls = Command
    own: Any = app.info.cls
    if not isinstance(own, type):  # Typer's mark for "not given"
        app.info.cls = Group
    elif not issubclass(own, Page):
        app.info.cls = type(own.__name__, (GroupPage, own), {})


def tidy(command: Any) -> None:
    """Name the values of options and arguments in words, and give a default once."""
    for each in getattr(command, "commands", {}).values():
        tidy(each)
    for param in command.params:
        if isinstance(param, TyperArgument):
            param.metavar = (param.metavar or param.name.upper()).replace("...", "").strip("[]")
        elif param.metavar is None and not param.is_flag:
            param.metavar = _word(param)
        if "default:" in (param.help or "").lower():
            param.show_default = False


def notation(argument: Any) -> str:
    """Return an argument as in a usage line: NAME, [NAME], NAME... or [NAME]..."""
    name = argument.metavar or argument.name.upper()
    name = name if argument.required else f"[{name}]"
    return f"{name}..." if argument.nargs != 1 else name


def path_of(ctx: Any) -> str:
    """Return the words of a command without the program's: "plan make"; empty for the program."""
    return str(ctx.command_path).partition(" ")[2]


def first_sentence(text: str) -> str:
    """Return the first paragraph's first sentence, in one line."""
    paragraph = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return paragraph.split(". ")[0].rstrip(".:") + "."


def shown(example: Example) -> list[str]:
    """Return an example's lines: what it does as a comment, and the command, to be pasted into a shell."""
    return [painted(f"# {example.does}", "dim"), *example.command.splitlines()]


def _word(param: Any) -> str:
    kind = param.type_descriptor
    if kind.is_choice:
        return "|".join(map(str, kind.choices))
    name = kind.path_type if kind.is_path else param.bare_type().removeprefix("list[").removesuffix("]")
    return WORDS.get(str(name), "FILE" if "Path" in str(name) else "TEXT")


def _section(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(_heading(title)):
            formatter.write_dl([(painted(first, "cyan"), second) for first, second in rows])


def _heading(text: str) -> str:
    return painted(text, "bold")
