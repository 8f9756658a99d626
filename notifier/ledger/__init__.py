"""The delivery ledger: fan-out, claim, verdict, settle, retry. SQL and pure rules only."""
