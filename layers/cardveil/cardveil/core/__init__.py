"""What every other package stands on: errors, retries, rate limits, threads, timing, telemetry, context."""
