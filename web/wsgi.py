"""The application that a WSGI server runs as `web.wsgi:app`, from the settings of this process."""

import atexit
import logging

from config.keys import load_keys
from config.settings import BadSettings, load_settings
from feeds.cache.change_watcher import ChangeWatcher
from models.db.approval_rules import ApprovalRules
from models.db.database import open_database
from notifier.worker.log_once import LogOnce
from notifier.worker.wakeup import make_wakeup
from web import create_app
from web.middleware.connections import MAX_PER_ADDRESS, ConnectionGuard

_settings = load_settings()
# The file was deleted since `serve` checked: a new, empty one must not take its place.
if _settings.lacks_database:
    raise BadSettings(
        f"There is no database in {_settings.data_dir.absolute()}. Bring it back from a backup."
    )
_db = open_database(
    _settings.resolved_database_url,
    approval_rules=ApprovalRules.of(_settings),
    connections=_settings.database_connections,
    process="web",
)
_flask = create_app(_settings, load_keys(_settings), _db, ring=make_wakeup(_settings))
_watcher = ChangeWatcher(
    _db,
    _flask.extensions["storywire"].response_cache,
    LogOnce(logging.getLogger("web.middleware.cache_layer")),
)
_watcher.start()
atexit.register(_watcher.close)
# The connections of a proxy are those of all clients.
_guard = ConnectionGuard(
    _flask.extensions["reads"], max_per_address=None if _settings.proxies else MAX_PER_ADDRESS
)
_guard.start()
atexit.register(_guard.close)
app = _flask.wsgi_app
