"""From octets to commands, one module per verb or family of verbs. Pure; a fault is a GrammarFault that says where.

`cursor.py` reads what all verbs share, `command.py` knows which verb is read by whom. RFC 3501 9.
"""
