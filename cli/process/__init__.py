"""The processes of a site: supervisor, web server, worker and mail catcher."""
