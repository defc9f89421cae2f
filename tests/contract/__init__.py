"""The contract that the raw clients and the shim must both keep."""

import pytest

pytest.register_assert_rewrite("contract.bodies")
