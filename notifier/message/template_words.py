"""``words`` in operators' templates: phrases by name, from before templates could call ``_``."""

import re

from markupsafe import Markup

from models.text.translations import catalog
from notifier.message.phrases import Phrases

_PHRASES = {
    "breaking": "Breaking",
    "picture": "Picture: %(text)s",
    "withdrawn_without_note": "We have retracted this update. Please don’t rely on it.",
    "read_on": "Read more",
    "whole_story": "Full story",
    "ended": "“%(story)s” has ended",
    "ended_text": "We’re no longer updating this story. You can still read all of it.",
    "since": "See the latest",
    "because_digest": "You’re getting this because you subscribe to digests from %(site)s.",
    "because_story": "You’re getting this because you follow “%(story)s” on %(site)s.",
    "because_all": "You’re getting this because you follow all stories on %(site)s.",
    "because_operator": "You’re getting this because you’re an admin of %(site)s.",
    "because_asked": "Someone entered your address at %(site)s.",
    "leave_story": "Unsubscribe from this story",
    "leave_all": "Unsubscribe from all stories",
    "change": "Change e-mail settings",
    "not_tracked": "We don’t track opens or clicks.",
}


class TemplateWords(Phrases):
    """`Phrases`, and texts whose values stand in braces for ``format``."""

    __slots__ = ()
    quoted = "{text}"  # the texts above have their quotation marks
    digest = "{about}: {count}, {window}"

    def __getattr__(self, name: str) -> str:
        if name not in _PHRASES:
            raise AttributeError(name)
        text = re.sub(r"%\((\w+)\)s", r"{\1}", catalog(self.language).gettext(_PHRASES[name]))
        return Markup(text) if self.html else text  # noqa: S704  product text
