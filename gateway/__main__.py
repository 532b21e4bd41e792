"""`python -m gateway <slot>`: serve what the slot's file names."""

from gateway.arbiter import prefork

prefork.prepare()

from gateway.arbiter.app import main  # noqa: E402  (takes half a second, in which the kernel's process loads too)

main()
