select customer_id, email, phone from {{ ref('raw_customers') }}
