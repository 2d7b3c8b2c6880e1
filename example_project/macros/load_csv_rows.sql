{# dbt calls a macro for the placeholder of every cell, 15 seconds for the purchases. Rendered row by row, it takes 2. #}
{% macro postgres__load_csv_rows(model, agate_table) %}
  {% set columns = get_seed_column_quoted_csv(model, agate_table.column_names) %}
  {% set placeholders = '(' ~ (['%s'] * agate_table.column_names | length) | join(', ') ~ ')' %}
  {% for chunk in agate_table.rows | batch(10000) %}
    {% set bindings = [] %}
    {% for row in chunk %}{% do bindings.extend(row) %}{% endfor %}
    {% set insert %}
      insert into {{ this.render() }} ({{ columns }}) values {{ ([placeholders] * chunk | length) | join(', ') }}
    {% endset %}
    {% do adapter.add_query(insert, bindings=bindings, abridge_sql_log=True) %}
  {% endfor %}
  {{ return('insert into ' ~ this.render() ~ ' (' ~ columns ~ ') values ...') }}
{% endmacro %}
