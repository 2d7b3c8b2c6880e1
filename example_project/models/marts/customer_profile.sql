with history as (

    -- The scores count days with a purchase: two purchases on one day are one visit.
    select
        customer_id,
        count(*) as orders,
        count(distinct purchased_on) as visits,
        sum(cds) as cds,
        sum(dollars) as lifetime_value,
        min(purchased_on) as first_purchase_on,
        max(purchased_on) as last_purchase_on
    from {{ ref('stg_purchases') }}
    where purchased_on <= {{ as_of() }}
    group by customer_id

),

banded as (

    select
        *,
        case
            when {{ as_of() }} - last_purchase_on <= 28 then 'weeks_0_4'
            when {{ as_of() }} - last_purchase_on <= 91 then 'weeks_5_13'
            when {{ as_of() }} - last_purchase_on <= 182 then 'weeks_14_26'
            when {{ as_of() }} - last_purchase_on <= 273 then 'weeks_27_39'
            when {{ as_of() }} - last_purchase_on <= 364 then 'weeks_40_52'
            else 'over_a_year'
        end as recency_band
    from history

),

stepped as (

    -- The middle of the band stands for the exact number of weeks, which would change for everybody every day.
    select
        *,
        cast(visits - 1 as double precision) as repeats,
        (last_purchase_on - first_purchase_on) / cast(7 as double precision) as weeks_active,
        cast(
            case recency_band
                when 'weeks_0_4' then 2
                when 'weeks_5_13' then 8.5
                when 'weeks_14_26' then 19.5
                when 'weeks_27_39' then 32.5
                when 'weeks_40_52' then 45.5
                else 65
            end as double precision
        ) as weeks_silent
    from banded

),

parameters as (

    -- MBG/NBD, in weeks, fitted by maximum likelihood to the purchases of all customers up to 1997-10-01.
    select
        cast(0.634 as double precision) as r,
        cast(7.314 as double precision) as alpha,
        cast(0.806 as double precision) as a,
        cast(1.238 as double precision) as b

),

scored as (

    select
        stepped.*,
        1 / (
            1 + a / (b + repeats)
            * power((alpha + weeks_active + weeks_silent) / (alpha + weeks_active), r + repeats)
        ) as is_still_a_customer,
        1 - power(
            (alpha + weeks_active + weeks_silent) / (alpha + weeks_active + weeks_silent + 13), r + repeats
        ) as buys_if_still_a_customer
    from stepped
    cross join parameters

)

select
    scored.customer_id,
    customers.email,
    customers.first_name,
    customers.last_name,
    customers.country,
    customers.marketing_consent,
    cast(scored.orders as integer) as orders,
    cast(scored.cds as integer) as cds,
    cast(scored.lifetime_value as numeric(10, 2)) as lifetime_value,
    -- Half a cent goes up: some engines divide exactly, others nearly.
    cast(scored.lifetime_value / scored.orders + 0.000001 as numeric(10, 2)) as average_order,
    scored.first_purchase_on,
    scored.last_purchase_on,
    cast(scored.recency_band as varchar) as recency_band,
    cast(scored.is_still_a_customer * scored.buys_if_still_a_customer as numeric(4, 3)) as propensity_to_buy,
    cast(1 - scored.is_still_a_customer as numeric(4, 3)) as churn_score,
    cast(
        case
            when scored.visits = 1 then 'one_time'
            when scored.recency_band in ('weeks_0_4', 'weeks_5_13') and scored.visits >= 6 then 'champion'
            when scored.recency_band in ('weeks_0_4', 'weeks_5_13') and scored.visits >= 3 then 'loyal'
            when scored.recency_band in ('weeks_0_4', 'weeks_5_13') then 'promising'
            when scored.recency_band = 'weeks_14_26' or scored.visits >= 6 then 'at_risk'
            else 'dormant'
        end as varchar
    ) as segment
from scored
inner join {{ ref('stg_customers') }} as customers on scored.customer_id = customers.customer_id
