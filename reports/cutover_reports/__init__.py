"""The risk report: go or no-go for each route, on one page, with the evidence behind it."""

from cutover_reports.command import report_command
from cutover_reports.policy import check_policy
from cutover_reports.write import write_report

__all__ = ["check_policy", "report_command", "write_report"]
