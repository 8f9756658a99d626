"""WSGI layers in front of Flask: limits, headers, metrics and the response cache."""
