"""Benches: what Merpati costs and how fast it is, alone and beside others. Nothing here is installed with it.

They print figures and assert nothing; `docs/performance.md` holds figures with their machines. Started from the
checkout's root, `python -m bench.<name>`; some may be imported as modules of scripts as well.
"""
