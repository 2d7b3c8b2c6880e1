"""The local emulator of destinations: a CRM and webhook receivers that can be told to misbehave."""
