{% macro activate_email(expression) %}
  {{- return(adapter.dispatch('activate_email', 'dbt_activate')(expression)) -}}
{% endmacro %}

{% macro default__activate_email(expression) -%}
nullif(lower(trim(cast({{ expression }} as {{ dbt.type_string() }}))), '')
{%- endmacro %}

{# trim() takes away spaces only; tabs and line ends come along when people paste. #}
{% macro postgres__activate_email(expression) -%}
nullif(lower(regexp_replace(cast({{ expression }} as {{ dbt.type_string() }}), '^\s+|\s+$', '', 'g')), '')
{%- endmacro %}

{% macro duckdb__activate_email(expression) -%}
{{ dbt_activate.postgres__activate_email(expression) }}
{%- endmacro %}


{% macro activate_digits(expression) %}
  {{- return(adapter.dispatch('activate_digits', 'dbt_activate')(expression)) -}}
{% endmacro %}

{% macro default__activate_digits(expression) -%}
nullif(regexp_replace(cast({{ expression }} as {{ dbt.type_string() }}), '[^0-9]', ''), '')
{%- endmacro %}

{# Without 'g' these two replace the first match only; others replace all and know no such argument. #}
{% macro postgres__activate_digits(expression) -%}
nullif(regexp_replace(cast({{ expression }} as {{ dbt.type_string() }}), '[^0-9]', '', 'g'), '')
{%- endmacro %}

{% macro duckdb__activate_digits(expression) -%}
{{ dbt_activate.postgres__activate_digits(expression) }}
{%- endmacro %}


{% macro activate_sha256(expression) %}
  {{- return(adapter.dispatch('activate_sha256', 'dbt_activate')(expression)) -}}
{% endmacro %}

{% macro default__activate_sha256(expression) -%}
lower(sha2(cast({{ expression }} as {{ dbt.type_string() }}), 256))
{%- endmacro %}

{% macro postgres__activate_sha256(expression) -%}
encode(sha256(convert_to(cast({{ expression }} as {{ dbt.type_string() }}), 'UTF8')), 'hex')
{%- endmacro %}

{# dbt looks for redshift__, then postgres__, then default__: Redshift's own function is the default's. #}
{% macro redshift__activate_sha256(expression) -%}
{{ dbt_activate.default__activate_sha256(expression) }}
{%- endmacro %}

{% macro redshift__activate_digits(expression) -%}
{{ dbt_activate.default__activate_digits(expression) }}
{%- endmacro %}

{% macro redshift__activate_email(expression) -%}
{{ dbt_activate.default__activate_email(expression) }}
{%- endmacro %}

{% macro duckdb__activate_sha256(expression) -%}
sha256(cast({{ expression }} as {{ dbt.type_string() }}))
{%- endmacro %}

{% macro bigquery__activate_sha256(expression) -%}
to_hex(sha256(cast({{ expression }} as {{ dbt.type_string() }})))
{%- endmacro %}
