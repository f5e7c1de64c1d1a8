-- ownership, own columns
SELECT ownership.assign('t', (columns_of('t', 'erp'))[:(:x + 1) / 2], 'erp'),
	ownership.assign('t', (columns_of('t', 'pim'))[:(:x) / 2], 'pim') \g /dev/null
