"""What can be made anew from the store, in files of its own: so far the search index of each account.

Written in large rare pieces, never in place; what is damaged, of another version or lost is thrown away and made again,
and until then whoever asks is told that nothing is known. Imports nothing of ours.
"""
