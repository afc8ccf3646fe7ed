"""`python -m appliance` is `merpati`."""

from .cli import main

main()
