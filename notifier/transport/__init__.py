"""The ways out: SMTP, outbound HTTP with its address guard, and the Apprise adapter."""
