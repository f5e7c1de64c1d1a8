/*
 * settle.c
 *		Does what DDL left to do when the transaction commits.
 *
 * Only at commit it is certain which table has a name, and until then a load can
 * fill a table that it creates without a guard on it.  Rows of ddl_queue name
 * the tables and schemas; a deferred constraint trigger on ddl_queue puts on the
 * map what matches a pattern, renames evidence, and creates what is missing of
 * the guard.
 *
 * Each step is a subtransaction of its own.  A step that fails is a warning, and
 * a risk; the transaction commits all the same, unless a lock was not granted,
 * the statement was cancelled, or memory or disk space was missing
 * (subxact_try()).  The end of a subtransaction costs PostgreSQL the more, the
 * more the transaction has created; so everything is tried in a single one
 * first.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "../edit/edit.h"
#include "ddl.h"

PG_FUNCTION_INFO_V1(ownership_ddl_settle);

/* Has the table another place because its schema was renamed?  Then the schema has a task, too. */
static bool
moved_with_schema(const Task *task, const TablePlace *place)
{
	Parameters p = {0};

	if (strcmp(task->was.table, place->table) != 0)
		return false;
	sql_add_text(&p, task->was.schema);
	sql_add_oid(&p, get_namespace_oid(place->schema, false));
	sql_add_oid(&p, NamespaceRelationId);
	return sql_run("SELECT FROM ownership.ddl_queue "
				   "WHERE classid = $3 AND objid = $2 AND table_schema = $1",
				   &p) > 0;
}

/*
 * A schema was renamed: the evidence and activity of its tables follow, all at
 * once.  Maps that wait for a table, and patterns, follow as well, unless
 * another schema has the old name.
 */
static void
settle_schema(const Task *task)
{
	const char *old = task->was.schema;
	char *now = get_namespace_name(task->objid);
	Parameters p = {0};

	if (now == NULL || strcmp(old, now) == 0 || !bind_is_bound_schema(old, task->objid))
		return;
	sql_add_text(&p, old);
	sql_add_text(&p, now);
#define HERE_NOT_THERE                                                                         \
	"EXISTS (SELECT FROM ownership.mirrored_table t WHERE t.table_schema = $2 "                \
	"AND t.table_name = e.table_name) AND NOT EXISTS (SELECT FROM ownership.mirrored_table t " \
	"WHERE t.table_schema = $1 AND t.table_name = e.table_name)"
#define MOVE_EVIDENCE(table) \
	"UPDATE " table " e SET table_schema = $2 WHERE table_schema = $1 AND " HERE_NOT_THERE
	sql_run(MOVE_EVIDENCE("ownership.conflict"), &p);
	/* an older version has no history of values */
	if (OidIsValid(catalog_table("history", true)))
		sql_run(MOVE_EVIDENCE("ownership.history"), &p);
	sql_run("UPDATE ownership.activity e SET table_schema = $2 WHERE table_schema = $1 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $2 "
			"AND b.table_name = e.table_name AND b.column_name = e.column_name "
			"AND b.system IS NOT DISTINCT FROM e.system) AND " HERE_NOT_THERE,
			&p);
	if (OidIsValid(catalog_table("conflict_count", true)))
		sql_run("UPDATE ownership.conflict_count e SET table_schema = $2 WHERE table_schema = $1 "
				"AND NOT EXISTS (SELECT FROM ownership.conflict_count b WHERE b.table_schema = $2 "
				"AND b.table_name = e.table_name AND b.outcome = e.outcome "
				"AND b.system IS NOT DISTINCT FROM e.system) AND " HERE_NOT_THERE,
				&p);
#undef MOVE_EVIDENCE
#undef HERE_NOT_THERE
	if (OidIsValid(get_namespace_oid(old, true)))
	{
		bind_schema(old);
		return;
	}
	bind_rename_schema(old, now);
	sql_run("UPDATE ownership.mirrored_table t SET table_schema = $2 WHERE table_schema = $1 "
			"AND NOT EXISTS (SELECT FROM ownership.mirrored_table o "
			"WHERE o.table_schema = $2 AND o.table_name = t.table_name)",
			&p);
	/*
	 * Patterns that begin with the schema's name follow, unless the new name has
	 * a wildcard or a dot: then they would match other tables.
	 */
	if (strpbrk(now, "*?.") != NULL)
		return;
	sql_run("UPDATE ownership.mirrored_pattern p SET pattern = $2 || substr(pattern, length($1) + 1), "
			"exclude = ARRAY(SELECT CASE WHEN starts_with(e, $1 || '.') "
			"THEN $2 || substr(e, length($1) + 1) ELSE e END FROM unnest(exclude) e) "
			"WHERE starts_with(pattern, $1 || '.') AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_pattern o "
			"WHERE o.pattern = $2 || substr(p.pattern, length($1) + 1))",
			&p);
	if (!OidIsValid(catalog_table("handover_due_idx", true)))
		return;
	sql_run("UPDATE ownership.handover SET entity = $2 || substr(entity, length($1) + 1) "
			"WHERE field = '*' AND starts_with(entity, $1 || '.') AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_pattern WHERE pattern = entity)",
			&p);
}

/*
 * Settle a table on the map: warn of unjudged values, put it or its new columns
 * on the map where a pattern matches, and rename evidence.
 */
static void
settle_table(Task *task)
{
	TablePlace place;
	TablePattern *pattern;
	Binding *b;

	if (!place_of(task->objid, &place))
		return;
	if (task->arrived && lookup_is_mirrored(place.schema, place.table))
		notices_report_unjudged(task->objid, &place);
	if (!lookup_is_mirrored(place.schema, place.table))
	{
		pattern = task->arrived && !place.partition ? table_pattern_for(&place) : NULL;
		if (pattern != NULL && table_pattern_map(task->objid, pattern, NIL))
			bind_guarded(task->objid, true);
	}
	else if (task->fresh != NIL)
	{
		pattern = table_pattern_for(&place);
		if (pattern != NULL)
			(void) table_pattern_map(task->objid, pattern, task->fresh);
		notices_report_renamed(task, &place);
	}
	b = binding_of(task->objid);
	if (b != NULL && task->left)
	{
		Parameters p = {0};

		if (!place_is_same(&task->was, &place) && !moved_with_schema(task, &place))
			rename_evidence(&task->was, &place);
		/* forget former names that it had only within this transaction */
		place_add(&p, &place);
		place_add(&p, &task->was);
		sql_run("DELETE FROM ownership.former_table WHERE table_schema = $1 AND table_name = $2 "
				"AND left_in = pg_current_xact_id() AND (former_schema, former_name) <> ($3, $4)",
				&p);
	}
}

/* Take a task (arg) from the queue, and do what is to be done on the map. */
static void
settle_map(void *arg)
{
	Task *task = arg;
	Parameters p = {0};
	SavedRole caller = role_become_extension();

	SPI_connect();
	sql_add_oid(&p, task->classid);
	sql_add_oid(&p, task->objid);
	if (queue_knows_replaced_columns() &&
		sql_run("SELECT gone, gone_types::text[] FROM ownership.ddl_queue "
				"WHERE classid = $1 AND objid = $2",
				&p) > 0)
	{
		task->gone = sql_result_texts(0, 1);
		task->gone_types = sql_result_texts(0, 2);
	}
	if (sql_run("DELETE FROM ownership.ddl_queue WHERE classid = $1 AND objid = $2 "
				"RETURNING table_schema, table_name, arrived, guard, fresh",
				&p) > 0)
	{
		task->was.schema = sql_result_text(0, 1);
		task->was.table = sql_result_text(0, 2);
		task->left = task->was.table != NULL;
		task->arrived = sql_result_bool(0, 3);
		task->guard = sql_result_bool(0, 4);
		task->fresh = sql_result_texts(0, 5);
		if (task->classid == NamespaceRelationId)
			settle_schema(task);
		else
			settle_table(task);
	}
	SPI_finish();
	role_restore(&caller);
}

/* Drop what is left of a guard; tables that are locked keep it, which does no harm. */
static void
drop_remains(Oid relid)
{
	List *relids = find_all_inheritors(relid, NoLock, NULL);
	ListCell *lc;

	foreach(lc, relids)
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessExclusiveLock))
			return;
	foreach(lc, relids)
		guard_drop_own(lfirst_oid(lc), true);
}

/*
 * Create what is missing of the guard of a task's table (arg), as the table's
 * owner, or as the extension's owner if the task says so, since the table's owner
 * lacks a privilege.  A dump contains its
 * guards, after the data: while a dump is restored, none is created here.
 */
static void
settle_guard(void *arg)
{
	const Task *task = arg;
	Relation rel = try_table_open(task->objid, ShareRowExclusiveLock);
	TablePlace place;
	bool mirrored;
	bool guarded = false;
	Binding *b;
	SavedRole caller;

	if (rel == NULL)
		return;
	if (!place_of(task->objid, &place))
	{
		table_close(rel, NoLock);
		return;
	}
	caller = task->extension ? role_become_extension() : role_become_owner(rel);
	SPI_connect();
	b = binding_of(task->objid);
	mirrored = lookup_is_mirrored(place.schema, place.table);
	guarded = mirrored && b != NULL && b->guarded;
	if (!guarded && place_is_below_mirrored(task->objid))
	{
		mirrored = true;
		/* a partition has row triggers from the table above it, or is to have none */
		guarded = place.partition && place_carries_guard(task->objid);
		if (!place.partition)
		{
			ListCell *lc;

			foreach(lc, place_ancestors(task->objid))
			{
				Binding *above = binding_of(lfirst_oid(lc));

				guarded |= above != NULL && above->guarded;
			}
		}
	}
	if (guarded && !call_is_restoring())
		guard_tree(task->objid, GUARD_COMPLETE);
	else if (!mirrored && !call_is_restoring() && (task->arrived || task->left))
		drop_remains(task->objid);
	else if (place_carries_guard(task->objid))
		guard_tree(task->objid, GUARD_REARM);
	SPI_finish();
	role_restore(&caller);
	table_close(rel, NoLock);
}

/*
 * A task failed: take it from the queue, so that the next one for that table can
 * be queued.  Of its new columns, the binding forgets the names: so map_behind()
 * returns them, and the next DDL tries again.
 */
static void
give_up(const Task *task)
{
	Oid keys[2] = {task->classid, task->objid};
	Relation queue = table_open(catalog_table("ddl_queue", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin_oids("ddl_queue", "ddl_queue_pkey", 2, keys);
	List *fresh = NIL;
	Binding *b;
	ListCell *lc;

	if (catalog_next(scan))
	{
		fresh = catalog_texts(scan, Anum_ddl_queue_fresh);
		CatalogTupleDelete(queue, catalog_tid(scan));
	}
	catalog_end(scan);
	table_close(queue, RowExclusiveLock);
	CommandCounterIncrement();
	b = fresh == NIL ? NULL : binding_of(task->objid);
	if (b == NULL)
		return;
	foreach(lc, b->columns)
		if (names_contain(fresh, lfirst(lc)))
			lfirst(lc) = "";
	binding_store(b);
}

/* Settle all tasks in the list (arg). */
static void
settle_all(void *arg)
{
	ListCell *lc;

	foreach(lc, (List *) arg)
	{
		Task *task = lfirst(lc);

		settle_map(task);
		if (task->guard)
			settle_guard(task);
	}
}

/*
 * ddl_settle(), AFTER INSERT on ddl_queue, a deferred constraint trigger: the
 * transaction is about to commit.
 *
 * Errors: the function was not called by such a trigger; those of subxact_try().
 */
Datum
ownership_ddl_settle(PG_FUNCTION_ARGS)
{
	static TransactionId tried = InvalidTransactionId;
	TriggerData *td = own_triggers_check(fcinfo, "ddl_settle");
	Task task = {0};
	ErrorData *error;

	/* if constraints are not deferred, this sees what the statement that ends has queued */
	CommandCounterIncrement();
	if (!TransactionIdEquals(tried, GetTopTransactionId()))
	{
		List *tasks = queue_tasks();

		tried = GetTopTransactionId();
		/* an error is raised again below, where the warning can name the table */
		if (list_length(tasks) > 1)
			(void) subxact_try(settle_all, tasks);
	}
	task.classid = atooid(SPI_getvalue(td->tg_trigtuple, RelationGetDescr(td->tg_relation), 1));
	task.objid = atooid(SPI_getvalue(td->tg_trigtuple, RelationGetDescr(td->tg_relation), 2));
	if (!queue_contains(&task))
		return PointerGetDatum(NULL);
	error = subxact_try(settle_map, &task);
	if (error != NULL)
	{
		give_up(&task);
		notices_report_unsettled(task.objid, error,
								 "the ownership map was not brought up to date for");
	}
	else if (task.guard)
	{
		error = subxact_try(settle_guard, &task);
		if (error != NULL && error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		{
			task.extension = true;
			error = subxact_try(settle_guard, &task);
		}
		if (error != NULL)
			notices_report_unsettled(task.objid, error, "the guard was not created on table");
	}
	return PointerGetDatum(NULL);
}
