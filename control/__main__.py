"""`python -m control`: start the stack."""

from control.launch.launch import main

main()
