"""Who is at the browser: the claim of a new appliance, the administrator, the owner of a mailbox.

Passwords are checked by accounts/; this room keeps who has shown one, for how long, and the code that claims.
"""
