/*
 * queue.c
 *		What DDL leaves to be done when its transaction commits.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "ddl.h"

/*
 * Look at a table when the transaction commits.  `was` is its place on the map
 * before it left it, or NULL; `guard` tells to look at its triggers, too.
 */
void
queue_add(Oid classid, Oid objid, const TablePlace *was, bool arrived, bool guard, List *fresh)
{
	Parameters p = {0};

	sql_add_oid(&p, classid);
	sql_add_oid(&p, objid);
	sql_add_text(&p, was == NULL ? NULL : was->schema);
	sql_add_text(&p, was == NULL ? NULL : was->table);
	sql_add_bool(&p, arrived);
	sql_add_bool(&p, guard);
	sql_add_texts(&p, fresh);
	sql_run("INSERT INTO ownership.ddl_queue AS q (classid, objid, table_schema, table_name, arrived, guard, fresh) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (classid, objid) DO UPDATE SET "
			"table_schema = CASE WHEN q.table_name IS NULL THEN $3 ELSE q.table_schema END, "
			"table_name = coalesce(q.table_name, $4), "
			"arrived = q.arrived OR $5, guard = q.guard OR $6, fresh = q.fresh || $7",
			&p);
}

/* Not with the objects of an older version. */
bool
queue_knows_replaced_columns(void)
{
	return OidIsValid(catalog_table("replaced_column", true));
}

/* Mirrored columns of it were dropped: see at commit whether others took their place. */
void
queue_gone(Oid relid, List *names, List *types)
{
	Parameters p = {0};
	List *oids = NIL;
	ListCell *lc;

	if (!queue_knows_replaced_columns())
		return;
	foreach(lc, types)
		oids = lappend(oids, psprintf("%u", lfirst_oid(lc)));
	sql_add_oid(&p, RelationRelationId);
	sql_add_oid(&p, relid);
	sql_add_texts(&p, names);
	sql_add_texts(&p, oids);
	sql_run("INSERT INTO ownership.ddl_queue AS q (classid, objid, arrived, guard, fresh, gone, gone_types) "
			"VALUES ($1, $2, false, false, '{}', $3, $4::oid[]) ON CONFLICT (classid, objid) DO UPDATE SET "
			"gone = q.gone || $3, gone_types = q.gone_types || $4::oid[]",
			&p);
}

/* What is in the queue, as tasks. */
List *
queue_tasks(void)
{
	CatalogScan *scan = catalog_begin("ddl_queue", NULL, 0, NULL, NULL);
	List *tasks = NIL;

	while (catalog_next(scan))
	{
		Task *task = palloc0(sizeof(Task));

		task->classid = catalog_oid(scan, Anum_ddl_queue_classid);
		task->objid = catalog_oid(scan, Anum_ddl_queue_objid);
		tasks = lappend(tasks, task);
	}
	catalog_end(scan);
	return tasks;
}

bool
queue_contains(const Task *task)
{
	Oid keys[2] = {task->classid, task->objid};
	CatalogScan *scan = catalog_begin_oids("ddl_queue", "ddl_queue_pkey", 2, keys);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is a table to be looked at when this transaction commits? */
bool
queue_is_unsettled(Oid relid)
{
	Task task = {0};

	task.classid = RelationRelationId;
	task.objid = relid;
	/* nothing is ever queued on a standby, where the queue cannot be read */
	return !RecoveryInProgress() && queue_contains(&task);
}
