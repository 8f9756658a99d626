"""Speed beside peers and beside what the machine can do, all in one run: ratios hold on other
machines, absolutes do not.
"""
