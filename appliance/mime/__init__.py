"""Reading and building messages: header fields, addresses, dates, encoded words, parts with offsets, previews.

Pure: octets in, values out; no sockets, files, clocks or threads. It never changes a message and never refuses one:
whatever arrives is read as far as it makes sense. The stdlib package `email` is not used, as it would cost
milliseconds for each message. May import nothing of ours.
"""
