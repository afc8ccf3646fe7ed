"""merpati.yaml: read, checked once, and handed down as frozen values; and changed, keeping its comments.

This room decides nothing about mail and holds no accounts, aliases or rules: those live in the store. It may import
mail/ only.
"""

from .edit import edit, get, parse_value, render_value
from .load import ConfigFault, load
from .schema import Config, LedsConfig, LimitsConfig, ListenConfig, OutboundConfig, SmarthostConfig, TlsConfig

__all__ = [
    "Config",
    "ConfigFault",
    "LedsConfig",
    "LimitsConfig",
    "ListenConfig",
    "OutboundConfig",
    "SmarthostConfig",
    "TlsConfig",
    "edit",
    "get",
    "load",
    "parse_value",
    "render_value",
]
