"""``type: hubspot``: CRM objects over HubSpot's batch endpoints.

Checked against the published API description, not against a live account.
"""

from dbt_activate.destinations.hubspot.destination import HubSpot

__all__ = ["HubSpot"]
