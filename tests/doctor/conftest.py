from tests.support.homes import homes

__all__ = ["homes"]
