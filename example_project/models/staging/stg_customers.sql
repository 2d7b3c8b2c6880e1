-- The data set has customer numbers and nothing else. Names, addresses, countries and consent are made from the number.
with customers as (

    select distinct customer_id from {{ ref('cdnow_purchases') }}

),

positions as (

    select
        customer_id,
        customer_id % (select count(*) from {{ ref('first_names') }}) as first_name_position,
        customer_id % (select count(*) from {{ ref('last_names') }}) as last_name_position,
        customer_id % (select count(*) from {{ ref('countries') }}) as country_position
    from customers

)

select
    cast(positions.customer_id as integer) as customer_id,
    cast(first_names.first_name as varchar) as first_name,
    cast(last_names.last_name as varchar) as last_name,
    cast(
        first_names.mailbox || '.' || last_names.mailbox
        || '.' || lpad(cast(positions.customer_id as varchar), 5, '0') || '@example.com'
        as varchar
    ) as email,
    cast(countries.country as varchar) as country,
    positions.customer_id % 8 <> 3 as marketing_consent
from positions
inner join {{ ref('first_names') }} as first_names on positions.first_name_position = first_names.position
inner join {{ ref('last_names') }} as last_names on positions.last_name_position = last_names.position
inner join {{ ref('countries') }} as countries on positions.country_position = countries.position
