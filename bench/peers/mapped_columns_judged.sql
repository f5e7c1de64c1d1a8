-- ownership, a foreign column named
\ir mapped_columns.sql
\set statement 'UPDATE t SET own_2 = own_2 + 1::smallint, title_3 = title_3'
