"""Recipients, subscriptions and preferences; digest times and forecasts."""
