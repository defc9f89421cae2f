"""The risk report: go or no-go for each route, on one page, with the evidence behind it."""

from cutover_reports.command import report_command
from cutover_reports.write import write_report

__all__ = ["report_command", "write_report"]
