"""What runs inside a kernel, in its own main loop: accepting connections, running cells, sending responses."""
