-- 254 purchases equal another one in every column, so a purchase is named by its place in the customer's day.
with numbered as (

    select
        customer_id,
        purchased_on,
        cds,
        dollars,
        row_number() over (partition by customer_id, purchased_on order by dollars, cds) as place_in_day
    from {{ ref('cdnow_purchases') }}

)

select
    cast(
        cast(customer_id as varchar)
        || '-' || replace(cast(purchased_on as varchar), '-', '')
        || '-' || cast(place_in_day as varchar)
        as varchar
    ) as purchase_id,
    cast(customer_id as integer) as customer_id,
    cast(purchased_on as date) as purchased_on,
    cast(cds as integer) as cds,
    cast(dollars as numeric(8, 2)) as dollars
from numbered
