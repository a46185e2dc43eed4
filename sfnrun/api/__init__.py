"""The one place where machine, driver, tasks, cache and history are put together: the Python API."""
