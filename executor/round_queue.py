"""Where rounds for one executor alone wait, as brokers are told of it."""

from kombu import Exchange, Queue

from executor.tool_messages import HELD_S, round_queue

EXPIRY_S = int(2 * HELD_S)
"""An executor that has ended leaves nothing at the broker for longer."""


def declared_round_queue(instance_id: str) -> Queue:
    """Return the queue. Both sides declare it the same, or RabbitMQ refuses it."""
    name = round_queue(instance_id)
    exchange = Exchange(name, auto_delete=True)
    return Queue(name, exchange, routing_key=name, expires=EXPIRY_S)
