"""What is going on: events as they happen, a snapshot of the appliance, each message's trace, the status socket.

Every room that does something worth telling publishes an event on the `Bus`; the trace, the LEDs, the dashboard and the log
all hang on it. This room never decides anything about mail. It may import mail/ and config/.
"""
