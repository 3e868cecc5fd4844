"""What every Solekey service is built on: event store, outbox, bus, projector, HTTP and nameko extensions."""
