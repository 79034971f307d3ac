"""Message queues: where dead letters go, how many there are, and how they are taken."""
