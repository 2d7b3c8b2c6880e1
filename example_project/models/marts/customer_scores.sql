select
    customer_id,
    segment,
    recency_band,
    churn_score,
    propensity_to_buy
from {{ ref('customer_profile') }}
