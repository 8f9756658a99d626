"""From the ledger to the outside world.  Knows neither Flask nor the feeds."""
