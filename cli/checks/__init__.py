"""Checks of `storywire doctor`.

A check is a function ``(Checkup) -> Iterable[CheckResult]``: it yields what is wrong, and nothing
where all is well.  To add one, write it in a module here and name it in `cli.doctor.CHECKS`.
"""
