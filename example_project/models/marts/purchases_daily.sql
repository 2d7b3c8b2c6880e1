{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='purchased_on', on_schema_change='fail') }}

select
    purchased_on,
    cast(count(*) as integer) as purchases,
    cast(count(distinct customer_id) as integer) as customers,
    cast(sum(cds) as integer) as cds,
    cast(sum(dollars) as numeric(10, 2)) as revenue
from {{ ref('stg_purchases') }}
where
    purchased_on <= {{ as_of() }}
    {% if is_incremental() -%}
    -- The newest day is read again: it may have been loaded before it was over.
    and purchased_on >= (select coalesce(max(purchased_on), date '1997-01-01') from {{ this }})
    {%- endif %}
group by purchased_on
