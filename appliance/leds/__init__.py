"""Four LEDs and one button: what the appliance tells without a screen.

`signals.py` says what each LED has to tell, `rhythm.py` when it is lit, `player.py` tells the pins, `button.py` knows what
a press means; `service.py` puts them together in a process of its own. What may be wrong with a pin stays in here: mail
never waits for a light. The process is to fit in 20 MB, so this room imports status/'s values and its client without an
event loop, gpiozero, and nothing else of ours. `signals` and `rhythm` are also what the page and the command line show.
"""
