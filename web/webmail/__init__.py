"""A small reader for mail in the browser: mailboxes, messages, one message, its attachments.

Nothing that a stranger wrote reaches the page as HTML: bodies are shown as text, attachments are only downloaded.
"""
