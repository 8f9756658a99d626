"""The application that a WSGI server runs: `web.wsgi:app`, composed from the settings of this process."""

from config.keys import load_keys
from config.settings import load_settings
from models.database import open_database
from notifier.doorbell import make_doorbell
from web import create_app

_settings = load_settings()
app = create_app(
    _settings,
    load_keys(_settings),
    open_database(_settings.resolved_database_url),
    ring=make_doorbell(_settings),
)
