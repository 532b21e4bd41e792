"""The protocol between the arbiter and its workers: messages and shared memory."""
