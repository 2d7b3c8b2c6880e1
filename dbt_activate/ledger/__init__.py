"""Remember what was confirmed: tables in the warehouse, lease, intents, acks, fold, recovery."""
