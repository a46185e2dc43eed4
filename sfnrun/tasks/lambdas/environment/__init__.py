"""Code that runs beside a handler in its execution environment: the standard library only, Python 3.9 to 3.14.

An environment's process loads these modules without sfnrun (see `zygote`), so nothing here imports the rest of it.
"""
