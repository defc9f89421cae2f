"""Scenario files: models (`scenario`, `batch`, `traffic`, `expect`), loading (`load`), earlier versions (`earlier`)."""
