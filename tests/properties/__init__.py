"""Laws, as hypothesis tests."""
