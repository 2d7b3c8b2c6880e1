-- The incremental model must agree with the purchases it was built from, day by day, however often it was built.
select purchased_on
from {{ ref('purchases_daily') }} as daily
full outer join (
    select purchased_on, count(*) as purchases
    from {{ ref('stg_purchases') }}
    where purchased_on <= {{ as_of() }}
    group by purchased_on
) as counted using (purchased_on)
where
    purchased_on <= {{ as_of() }}
    and (daily.purchases is null or counted.purchases is null or daily.purchases <> counted.purchases)
