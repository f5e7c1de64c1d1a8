-- ownership, own columns
SELECT ownership.assign('t', array_agg(a.attname), s.name)
FROM (SELECT name, row_number() OVER (ORDER BY name <> 'erp', name <> 'pim', length(name), name) - 1 AS n FROM ownership.system) s
JOIN pg_attribute a ON a.attrelid = 't'::regclass AND a.attnum > 0 AND (a.attnum - 1) % :x = s.n
GROUP BY s.name \g /dev/null
