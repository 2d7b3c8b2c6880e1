select
    customer_id,
    email,
    first_name,
    last_name,
    country,
    marketing_consent,
    segment,
    lifetime_value,
    orders,
    propensity_to_buy,
    cast(case when lifetime_value >= 1000 then 'platinum' else 'gold' end as varchar) as tier
from {{ ref('customer_profile') }}
where lifetime_value >= 250 and churn_score < 0.5
