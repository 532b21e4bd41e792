"""`python -m gateway <slot>`: serve what the slot's file names."""

from gateway import kernel_process

kernel_process.prepare()

from gateway.app import main  # noqa: E402  (takes half a second, in which the kernel's process loads too)

main()
