"""The Flask application: public pages, feeds, the desk.  `wsgi.py` creates it for a server."""

from collections.abc import Callable
from functools import partial

from flask import Flask

from config.keys import Keys
from config.settings import Settings
from models.db.database import Database
from web.context import AppContext
from web.desk import desk
from web.desk.guard import csrf
from web.error_pages import add_error_pages
from web.health import health
from web.language import set_up_languages
from web.login import login, set_up_login
from web.metrics import metrics
from web.middleware.cache_layer import CacheLayer, MemoryLayer, make_response_cache
from web.middleware.front import FrontLayer, always_sent
from web.middleware.overload import OverloadLayer
from web.middleware.proxies import ForwardedFor
from web.middleware.request_body import BodyInTime, Reads
from web.middleware.request_metrics import RequestMetrics, note_routes
from web.passwords import passwords
from web.public.icons import icons
from web.public.leave import leave
from web.public.media_files import media
from web.public.pages import public
from web.public.preference_pages import preferences
from web.public.robots import robots
from web.public.search_page import finder
from web.public.subscribe import subscribe
from web.public.theme import read_logo, theme
from web.security import max_bytes, protect
from web.templating import set_up_templates


def create_app(settings: Settings, keys: Keys, db: Database, *, ring: Callable[[], None]) -> Flask:
    """The application over these parts.

    ``ring`` is called after each change and must return at once.
    """
    app = Flask(__name__)
    cache = make_response_cache(settings, db, app.wsgi_app)

    def ring_both() -> None:
        ring()
        cache.wake()

    app.extensions["storywire"] = AppContext(settings, keys, db, ring_both, cache)
    app.secret_key = keys.derive("session")
    # Redirects of the router use the Host header, which any client can set.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    reads = app.extensions["reads"] = Reads()
    app.wsgi_app = BodyInTime(  # type: ignore[method-assign]
        app.wsgi_app, threads=settings.web_threads, max_bytes=partial(max_bytes, app), reads=reads
    )
    # With a wrong number of proxies clients could set the address that rate limits count.
    if settings.proxies:
        app.wsgi_app = ForwardedFor(app.wsgi_app, settings.proxies)  # type: ignore[method-assign]
    cache_layer = CacheLayer(app.wsgi_app, cache)
    overload_layer = OverloadLayer(cache_layer)
    front_layer = FrontLayer(overload_layer, always_sent(settings.base_url))
    request_metrics = RequestMetrics(front_layer)
    memory_layer = MemoryLayer(request_metrics, cache)
    app.wsgi_app = memory_layer  # type: ignore[method-assign]
    app.extensions["cache_layer"] = cache_layer
    app.extensions["overload"] = overload_layer
    app.extensions["request_metrics"] = request_metrics
    app.extensions["memory"] = memory_layer
    note_routes(app)
    protect(app, settings)
    set_up_login(app)
    csrf.init_app(app)
    app.extensions["logo"] = read_logo(settings)
    set_up_templates(app, settings)
    set_up_languages(app)
    add_error_pages(app)
    for blueprint in (
        public,
        robots,
        finder,
        media,
        theme,
        icons,
        subscribe,
        leave,
        preferences,
        health,
        metrics,
        login,
        passwords,
        desk,
    ):
        app.register_blueprint(blueprint)
    return app
