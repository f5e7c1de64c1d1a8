-- ownership, landing table of the writer
SELECT ownership.add_tables('t', source => 'erp') \g /dev/null
