"""Who may sign in, and what an address leads to: passwords, accounts, aliases, the administrator, sign-in limits.

Every protocol signs in through here, so that guessing is slowed down over all of them together. Addresses are routed by
`route/`; rows are the store's. This room may import store/, status/, mail/ and config/.
"""
