/*
 * settle.c
 *		What DDL leaves to be done when the transaction commits.
 *
 * Only then it is known which table carries a name, and a load may fill a
 * table that it creates before the guard is on it.  Rows of ddl_queue say what
 * is to be looked at; a deferred constraint trigger on it does that: it puts
 * on the map what came under a pattern, renames evidence, and creates what is
 * missing of the guard.
 *
 * Each step is a subtransaction of its own.  One that fails is a warning, and
 * shows as a risk: the transaction commits all the same, unless what failed was
 * a lock (attempt.c).  The end of a
 * subtransaction costs PostgreSQL as much as the transaction has created, so
 * everything is tried in a single one first.
 */
#include "base.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ownership_ddl_settle);

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
static bool
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

/* How much of a pattern is said: its characters that are no wildcards. */
static int
said(const char *pattern)
{
	int n = 0;

	for (; *pattern != '\0'; pattern++)
		n += *pattern != '*' && *pattern != '?';
	return n;
}

/* All of mirrored_pattern. */
List *
table_pattern_load(void)
{
	CatalogScan *scan = catalog_begin("mirrored_pattern", NULL, 0, NULL, NULL);
	List *patterns = NIL;

	while (catalog_next(scan))
	{
		TablePattern *pattern = palloc0(sizeof(TablePattern));

		pattern->pattern = catalog_text(scan, Anum_mirrored_pattern_pattern);
		pattern->source = catalog_text(scan, Anum_mirrored_pattern_source);
		pattern->owner = catalog_text(scan, Anum_mirrored_pattern_owner);
		if (pattern->owner == NULL)
			pattern->owner = pattern->source;
		pattern->readers = catalog_texts(scan, Anum_mirrored_pattern_readers);
		pattern->exclude = catalog_texts(scan, Anum_mirrored_pattern_exclude);
		patterns = lappend(patterns, pattern);
	}
	catalog_end(scan);
	return patterns;
}

/* The most specific of them that matches a table, or NULL. */
TablePattern *
table_pattern_best(List *patterns, const TablePlace *place)
{
	TablePattern *best = NULL;
	ListCell *lc;

	foreach(lc, patterns)
	{
		TablePattern *pattern = lfirst(lc);

		if (!names_match_table(pattern->pattern, place->schema, place->table))
			continue;
		if (best == NULL || said(pattern->pattern) > said(best->pattern) ||
			(said(pattern->pattern) == said(best->pattern) &&
			 strcmp(pattern->pattern, best->pattern) < 0))
			best = pattern;
	}
	return best;
}

TablePattern *
table_pattern_for(const TablePlace *place)
{
	return table_pattern_best(table_pattern_load(), place);
}

/* Evidence and activity of a table are found under its name. */
void
rename_evidence(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	sql_run("UPDATE ownership.conflict SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	sql_run("UPDATE ownership.activity a SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $3 "
			"AND b.table_name = $4 AND b.column_name = a.column_name "
			"AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
}

/* What is to be done for one table or schema. */
typedef struct Task
{
	Oid classid;
	Oid objid;
	TablePlace was; /* on the map, before; only while it is settled */
	bool left;		/* it had such a place */
	bool arrived;
	List *fresh;
	List *gone; /* mirrored columns of it, and the OIDs of their types */
	List *gone_types;
	bool guard;		/* its triggers are to be looked at */
	bool extension; /* as the extension's owner */
} Task;

/* Did the table move because its schema was renamed?  Then that is a task, too. */
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
 * Evidence follows a schema, all of it at once; so do maps that wait, and
 * patterns, unless another schema took the name.
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
	sql_run("UPDATE ownership.conflict e SET table_schema = $2 WHERE table_schema = $1 "
			"AND " HERE_NOT_THERE,
			&p);
	sql_run("UPDATE ownership.activity e SET table_schema = $2 WHERE table_schema = $1 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $2 "
			"AND b.table_name = e.table_name AND b.column_name = e.column_name "
			"AND b.system IS NOT DISTINCT FROM e.system) AND " HERE_NOT_THERE,
			&p);
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
	/* those that name the schema */
	if (strpbrk(now, "*?.") != NULL)
		return;
	sql_run("UPDATE ownership.mirrored_pattern p SET pattern = $2 || substr(pattern, length($1) + 1), "
			"exclude = ARRAY(SELECT CASE WHEN starts_with(e, $1 || '.') "
			"THEN $2 || substr(e, length($1) + 1) ELSE e END FROM unnest(exclude) e) "
			"WHERE starts_with(pattern, $1 || '.') AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_pattern o "
			"WHERE o.pattern = $2 || substr(p.pattern, length($1) + 1))",
			&p);
}

/*
 * Where one mirrored column of a type was dropped and one of that type was
 * added in its stead, it may have been renamed so.  Tell, and remember it for
 * ownership.risks.
 */
static void
notices_report_renamed(const Task *task, const TablePlace *place)
{
	Parameters p = {0};
	uint64 n;
	SPITupleTable *pairs;

	if (task->gone == NIL || task->fresh == NIL)
		return;
	sql_add_oid(&p, task->objid);
	place_add(&p, place);
	sql_add_texts(&p, task->fresh);
	sql_add_texts(&p, task->gone);
	sql_add_texts(&p, task->gone_types);
	n = sql_run(
		"INSERT INTO ownership.replaced_column AS r (relid, former_name, attnum) "
		"SELECT $1, min(g.name), min(a.attnum) "
		"FROM unnest($5, $6::oid[]) g(name, type) "
		"JOIN ownership.mirrored_column m ON (m.table_schema, m.table_name, m.column_name) = ($2, $3, g.name) "
		"JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
		"AND a.attname = ANY ($4::name[]) AND a.atttypid = g.type "
		/* a pattern may have given it the same field */
		"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column n WHERE (n.table_schema, n.table_name) = ($2, $3) "
		"AND n.column_name = a.attname::text COLLATE \"default\" AND (n.entity, n.field) = (m.entity, m.field)) "
		"AND NOT EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = $1 AND o.attname = g.name::name AND NOT o.attisdropped) "
		"GROUP BY g.type HAVING count(DISTINCT g.name) = 1 AND count(DISTINCT a.attnum) = 1 "
		"ON CONFLICT (relid, former_name) DO UPDATE SET attnum = excluded.attnum "
		"RETURNING former_name, (SELECT attname FROM pg_attribute a WHERE (a.attrelid, a.attnum) = ($1, r.attnum)), "
		"(SELECT format_type(atttypid, NULL) FROM pg_attribute a WHERE (a.attrelid, a.attnum) = ($1, r.attnum))",
		&p);
	pairs = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		const char *was = SPI_getvalue(pairs->vals[i], pairs->tupdesc, 1);
		const char *now = SPI_getvalue(pairs->vals[i], pairs->tupdesc, 2);

		ereport(WARNING,
				(errmsg("column \"%s\" of table \"%s\" may be what column \"%s\" was", now,
						names_relation_label(place->schema, place->table), was),
				 errdetail("Both are of type %s. The map of \"%s\" waits for a column of that name.",
						   SPI_getvalue(pairs->vals[i], pairs->tupdesc, 3), was),
				 errhint(
					 "If it was renamed so, carry the map over: the risk \"renamed\" of ownership.risks has the statement. ALTER TABLE ... RENAME COLUMN takes it along.")));
	}
}

/* Is anything stored in a table, or below it?  An empty page counts. */
static bool
has_storage(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);
		bool any = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ||
				   (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && RelationGetNumberOfBlocks(rel) > 0);

		table_close(rel, NoLock);
		if (any)
			return true;
	}
	return false;
}

#define FIELDS_NAMED 10

/*
 * A table came to a name on the map, and what it holds was written before it
 * was guarded.  Tell whose values the writer so put in, if they are not his:
 * a source may write its own copy, a steward everything, and a superuser who
 * is no system knows what he does.
 */
static void
notices_report_unjudged(Oid relid, const TablePlace *place)
{
	const Writer *writer;
	Parameters p = {0};
	Parameters q = {0};
	const char *system;
	uint64 n;
	StringInfoData fields;

	/* nor is the map behind because of an unknown system; a write tells of that */
	if (call_is_restoring() || (ownership_system != NULL && ownership_system[0] != '\0' &&
								!lookup_system_exists(ownership_system)))
		return;
	writer = writer_current();
	if (writer->worker || writer->steward)
		return;
	place_add(&p, place);
	if (sql_run("SELECT source FROM ownership.mirrored_table WHERE (table_schema, table_name) = ($1, $2)",
				&p) == 0)
		return;
	system = writer_system(writer, sql_result_text(0, 1));
	if ((system == NULL && superuser_arg(writer->role)) || !has_storage(relid))
		return;
	place_add(&q, place);
	sql_add_text(&q, system);
	n = sql_run("SELECT DISTINCT c.entity || '.' || c.field FROM ownership.mirrored_column c "
				"JOIN ownership.mirrored_table t USING (table_schema, table_name) "
				"JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field "
				"JOIN pg_attribute a ON a.attrelid = (SELECT relid FROM ownership.bound_table b "
				"WHERE (b.table_schema, b.table_name) = ($1, $2)) AND a.attname = c.column_name::name "
				"WHERE (c.table_schema, c.table_name) = ($1, $2) "
				"AND (f.owner <> $3 OR (f.owner IS NOT NULL AND $3 IS NULL) "
				"OR EXISTS (SELECT FROM ownership.row_owner r WHERE r.owner IS DISTINCT FROM $3 AND r.owner IS NOT NULL "
				"AND (r.table_schema, r.table_name, r.column_name) = (c.table_schema, c.table_name, c.column_name))) "
				"AND (t.source IS DISTINCT FROM $3 OR NOT EXISTS (SELECT FROM ownership.mirrored_column o "
				"JOIN ownership.mirrored_table ot USING (table_schema, table_name) "
				"WHERE o.entity = c.entity AND o.field = c.field AND ot.source IS DISTINCT FROM t.source)) "
				"ORDER BY 1",
				&q);
	if (n == 0)
		return;
	initStringInfo(&fields);
	for (uint64 i = 0; i < Min(n, FIELDS_NAMED); i++)
		appendStringInfo(&fields, "%s\"%s\"", i == 0 ? "" : ", ", sql_result_text(i, 1));
	if (n > FIELDS_NAMED)
		appendStringInfo(&fields, " and %d more", (int) (n - FIELDS_NAMED));
	ereport(WARNING,
			(errmsg("nobody judged the values of %s that came with table \"%s\"", fields.data,
					names_relation_label(place->schema, place->table)),
			 system == NULL
				 ? errdetail(
					   "An unidentified writer put a table with rows in its place, and owns none of these fields.")
				 : errdetail("System \"%s\" put a table with rows in its place, and does not own these fields.",
							 system),
			 errhint(
				 "Load into the table that is guarded, or have a role own it that is no system's.")));
}

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
		/* names that it had only within the transaction */
		place_add(&p, &place);
		place_add(&p, &task->was);
		sql_run("DELETE FROM ownership.former_table WHERE table_schema = $1 AND table_name = $2 "
				"AND left_in = pg_current_xact_id() AND (former_schema, former_name) <> ($3, $4)",
				&p);
	}
}

/* Takes the task from the queue, and does what is to be done on the map. */
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

/* Drop what is left of a guard; what is locked keeps it, which does no harm. */
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
 * Creates what is missing of the guard, as the table's owner, who may do so;
 * if he may not, as the owner of the map.
 * A dump brings its guards along, after the data: while it is restored, none
 * is created.
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
		/* a partition has the row triggers by the table above it, or none is wanted */
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

static void
notices_report_unsettled(Oid relid, ErrorData *error, const char *what)
{
	TablePlace place;
	bool known = place_of(relid, &place);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("%s \"%s\": %s", what,
					known ? names_message_relation(place.schema, place.table) : "schema",
					error->message),
			 errhint(
				 "ownership.risks shows what is open; SELECT ownership.guard() guards a table.")));
}

/* What is in the queue, as tasks. */
static List *
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

static bool
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

/*
 * A task failed.  It is not in the way of the next one for that table, and
 * columns that should have come on the map stay unknown: so the risk is seen,
 * and the next DDL tries again.
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

/* AFTER, deferred, on ddl_queue: the transaction is about to commit. */
Datum
ownership_ddl_settle(PG_FUNCTION_ARGS)
{
	static TransactionId tried = InvalidTransactionId;
	TriggerData *td = own_triggers_check(fcinfo, "ddl_settle");
	Task task = {0};
	ErrorData *error;

	/* what was queued by the statement that is ending, if constraints are not deferred */
	CommandCounterIncrement();
	if (!TransactionIdEquals(tried, GetTopTransactionId()))
	{
		List *tasks = queue_tasks();

		tried = GetTopTransactionId();
		/* an error comes again below, where it is known what it is about */
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
		notices_report_unsettled(task.objid, error, "the ownership map was not brought up to date for");
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
