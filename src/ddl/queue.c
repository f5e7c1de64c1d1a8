/*
 * queue.c
 *		The queue of what DDL leaves to do when its transaction commits: the
 *		table ddl_queue, one row a table or schema.
 *
 * A row lives no longer than its transaction; settle.c takes it out.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "ddl.h"

/*
 * Queue a table or schema for the commit.  `was` is the place on the map that it
 * left; NULL: none.  Of several such places in a transaction the first stays.
 * `arrived`: it got its name.  `guard`: its triggers are to be checked.  `fresh`:
 * names of its new columns.  The caller has SPI connected.
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

/* Do the extension's tables know replaced columns?  Those of an older version do not. */
bool
queue_knows_replaced_columns(void)
{
	return OidIsValid(catalog_table("replaced_column", true));
}

/*
 * Mirrored columns of a table were dropped: queue their names and the OIDs of
 * their types.  At commit the map looks for columns that took their place.
 */
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

/* All tasks in the queue, each with classid and objid only. */
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

/* Is there a task for that table or schema? */
bool
queue_contains(const Task *task)
{
	Oid keys[2] = {task->classid, task->objid};
	CatalogScan *scan = catalog_begin_oids("ddl_queue", "ddl_queue_pkey", 2, keys);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is there a task for that table, to be settled when this transaction commits? */
bool
queue_is_unsettled(Oid relid)
{
	Task task = {0};

	task.classid = RelationRelationId;
	task.objid = relid;
	/* on a standby nothing is queued, and the queue, an unlogged table, cannot be read */
	return !RecoveryInProgress() && queue_contains(&task);
}
