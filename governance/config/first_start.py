"""The objects that a first start makes, so that a first call works without any set-up."""
