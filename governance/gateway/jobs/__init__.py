"""Jobs over HTTP: batches that are priced line by line, reserved as a whole, and looked after by the worker."""
