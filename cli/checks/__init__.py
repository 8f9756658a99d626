"""Checks of `storywire doctor`.

A check is a function ``(Checkup) -> Iterable[CheckResult]`` that yields a result for each problem.
To add one, write it in a module here and name it in `cli.doctor.CHECKS`.
"""
