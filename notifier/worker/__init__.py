"""The worker: threads that send, the ticker, and wake-ups."""
