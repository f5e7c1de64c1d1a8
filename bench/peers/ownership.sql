-- ownership
SELECT ownership.assign('t', columns_of('t', 'erp'), 'erp'),
	ownership.assign('t', columns_of('t', 'pim'), 'pim') \g /dev/null
