select customer_id, email, first_name, last_name, cast(phone as varchar) as phone, churn_score from {{ ref('customers') }}
