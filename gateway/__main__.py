"""`python -m gateway <slot>`: serve what the slot's file names."""

from gateway.app import main

main()
