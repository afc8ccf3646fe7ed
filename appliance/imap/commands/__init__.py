"""What each verb does: one async function for each command, from the parsed command to a Done.

A function sends its untagged responses through the session, raises Refusal (or lets a StoreRefusal pass) when it cannot
do what was asked, and returns the tagged response. `table.py` knows which command is done by whom.
"""
