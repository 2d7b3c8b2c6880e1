{% test activatable(model, primary_key) %}
{%- set columns = [primary_key] if primary_key is string else primary_key -%}
{%- if not columns -%}
  {{ exceptions.raise_compiler_error("activatable: primary_key is empty; name the column, or a list of columns, that names a row") }}
{%- endif %}
select
    {{ columns | join(', ') }},
    count(*) as copies
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    or trim(cast({{ column }} as {{ dbt.type_string() }})) = ''
    {%- endfor %}
{% endtest %}
