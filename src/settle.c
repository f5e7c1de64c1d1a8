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
#include "ownership.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ownership_ddl_settle);

/*
 * Look at a table when the transaction commits.  `was` is its place on the map
 * before it left it, or NULL; `guard` tells to look at its triggers, too.
 */
void
queue_ddl(Oid classid, Oid objid, const TablePlace *was, bool arrived, bool guard, List *fresh)
{
	Parameters p = {0};

	add_oid(&p, classid);
	add_oid(&p, objid);
	add_text(&p, was == NULL ? NULL : was->schema);
	add_text(&p, was == NULL ? NULL : was->table);
	add_bool(&p, arrived);
	add_bool(&p, guard);
	add_texts(&p, fresh);
	run_sql("INSERT INTO ownership.ddl_queue AS q (classid, objid, table_schema, table_name, arrived, guard, fresh) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (classid, objid) DO UPDATE SET "
			"table_schema = CASE WHEN q.table_name IS NULL THEN $3 ELSE q.table_schema END, "
			"table_name = coalesce(q.table_name, $4), "
			"arrived = q.arrived OR $5, guard = q.guard OR $6, fresh = q.fresh || $7",
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
load_patterns(void)
{
	CatalogScan *scan = catalog_begin("mirrored_pattern", NULL, 0, NULL, NULL);
	List *patterns = NIL;

	while (catalog_next(scan))
	{
		Pattern *pattern = palloc0(sizeof(Pattern));

		pattern->pattern = catalog_text(scan, 1);
		pattern->source = catalog_text(scan, 2);
		pattern->owner = catalog_text(scan, 3);
		if (pattern->owner == NULL)
			pattern->owner = pattern->source;
		pattern->readers = catalog_texts(scan, 4);
		pattern->exclude = catalog_texts(scan, 5);
		patterns = lappend(patterns, pattern);
	}
	catalog_end(scan);
	return patterns;
}

/* The most specific of them that matches a table, or NULL. */
Pattern *
best_pattern(List *patterns, const TablePlace *place)
{
	Pattern *best = NULL;
	ListCell *lc;

	foreach(lc, patterns)
	{
		Pattern *pattern = lfirst(lc);

		if (!glob_match_table(pattern->pattern, place->schema, place->table))
			continue;
		if (best == NULL || said(pattern->pattern) > said(best->pattern) ||
			(said(pattern->pattern) == said(best->pattern) &&
			 strcmp(pattern->pattern, best->pattern) < 0))
			best = pattern;
	}
	return best;
}

Pattern *
pattern_for(const TablePlace *place)
{
	return best_pattern(load_patterns(), place);
}

/* Evidence and activity of a table are found under its name. */
void
rename_evidence(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	add_place(&p, from);
	add_place(&p, to);
	run_sql("UPDATE ownership.conflict SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	run_sql("UPDATE ownership.activity a SET table_schema = $3, table_name = $4 "
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
	add_text(&p, task->was.schema);
	add_oid(&p, get_namespace_oid(place->schema, false));
	add_oid(&p, NamespaceRelationId);
	return run_sql("SELECT FROM ownership.ddl_queue "
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

	if (now == NULL || strcmp(old, now) == 0 || !is_bound_schema(old, task->objid))
		return;
	add_text(&p, old);
	add_text(&p, now);
#define HERE_NOT_THERE                                                                         \
	"EXISTS (SELECT FROM ownership.mirrored_table t WHERE t.table_schema = $2 "                \
	"AND t.table_name = e.table_name) AND NOT EXISTS (SELECT FROM ownership.mirrored_table t " \
	"WHERE t.table_schema = $1 AND t.table_name = e.table_name)"
	run_sql("UPDATE ownership.conflict e SET table_schema = $2 WHERE table_schema = $1 "
			"AND " HERE_NOT_THERE,
			&p);
	run_sql("UPDATE ownership.activity e SET table_schema = $2 WHERE table_schema = $1 "
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
	rename_bound_schema(old, now);
	run_sql("UPDATE ownership.mirrored_table t SET table_schema = $2 WHERE table_schema = $1 "
			"AND NOT EXISTS (SELECT FROM ownership.mirrored_table o "
			"WHERE o.table_schema = $2 AND o.table_name = t.table_name)",
			&p);
	/* those that name the schema */
	if (strpbrk(now, "*?.") != NULL)
		return;
	run_sql("UPDATE ownership.mirrored_pattern p SET pattern = $2 || substr(pattern, length($1) + 1), "
			"exclude = ARRAY(SELECT CASE WHEN starts_with(e, $1 || '.') "
			"THEN $2 || substr(e, length($1) + 1) ELSE e END FROM unnest(exclude) e) "
			"WHERE starts_with(pattern, $1 || '.') AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_pattern o "
			"WHERE o.pattern = $2 || substr(p.pattern, length($1) + 1))",
			&p);
}

static void
settle_table(Task *task)
{
	TablePlace place;
	Pattern *pattern;
	Binding *b;

	if (!table_place(task->objid, &place))
		return;
	if (!is_mirrored(place.schema, place.table))
	{
		pattern = task->arrived && !place.partition ? pattern_for(&place) : NULL;
		if (pattern != NULL && map_by_pattern(task->objid, pattern, NIL))
			bind_guarded(task->objid, true);
	}
	else if (task->fresh != NIL)
	{
		pattern = pattern_for(&place);
		if (pattern != NULL)
			(void) map_by_pattern(task->objid, pattern, task->fresh);
	}
	b = binding_of(task->objid);
	if (b != NULL && task->left)
	{
		Parameters p = {0};

		if (!same_place(&task->was, &place) && !moved_with_schema(task, &place))
			rename_evidence(&task->was, &place);
		/* names that it had only within the transaction */
		add_place(&p, &place);
		add_place(&p, &task->was);
		run_sql("DELETE FROM ownership.former_table WHERE table_schema = $1 AND table_name = $2 "
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
	Deputy caller = deputy_begin_extension();

	SPI_connect();
	add_oid(&p, task->classid);
	add_oid(&p, task->objid);
	if (run_sql("DELETE FROM ownership.ddl_queue WHERE classid = $1 AND objid = $2 "
				"RETURNING table_schema, table_name, arrived, guard, fresh",
				&p) > 0)
	{
		task->was.schema = result_text(0, 1);
		task->was.table = result_text(0, 2);
		task->left = task->was.table != NULL;
		task->arrived = strcmp(result_text(0, 3), "t") == 0;
		task->guard = strcmp(result_text(0, 4), "t") == 0;
		task->fresh = result_texts(0, 5);
		if (task->classid == NamespaceRelationId)
			settle_schema(task);
		else
			settle_table(task);
	}
	SPI_finish();
	deputy_end(&caller);
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
		drop_own_guard(lfirst_oid(lc), true);
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
	Deputy caller;

	if (rel == NULL)
		return;
	if (!table_place(task->objid, &place))
	{
		table_close(rel, NoLock);
		return;
	}
	caller = task->extension ? deputy_begin_extension() : deputy_begin(rel);
	SPI_connect();
	b = binding_of(task->objid);
	mirrored = is_mirrored(place.schema, place.table);
	guarded = mirrored && b != NULL && b->guarded;
	if (!guarded && below_mirrored(task->objid))
	{
		mirrored = true;
		/* a partition has the row triggers by the table above it, or none is wanted */
		guarded = place.partition && carries_guard(task->objid);
		if (!place.partition)
		{
			ListCell *lc;

			foreach(lc, map_ancestors(task->objid))
			{
				Binding *above = binding_of(lfirst_oid(lc));

				guarded |= above != NULL && above->guarded;
			}
		}
	}
	if (guarded && !restoring())
		guard_tree(task->objid, GUARD_COMPLETE);
	else if (!mirrored && !restoring() && (task->arrived || task->left))
		drop_remains(task->objid);
	else if (carries_guard(task->objid))
		guard_tree(task->objid, GUARD_REARM);
	SPI_finish();
	deputy_end(&caller);
	table_close(rel, NoLock);
}

static void
tell_unsettled(Oid relid, ErrorData *error, const char *what)
{
	TablePlace place;
	bool known = table_place(relid, &place);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("%s \"%s\": %s", what,
					known ? relation_label(place.schema, place.table) : "schema", error->message),
			 errhint(
				 "ownership.risks shows what is open; SELECT ownership.guard() guards a table.")));
}

/* What is in the queue, as tasks. */
static List *
queued_tasks(void)
{
	CatalogScan *scan = catalog_begin("ddl_queue", NULL, 0, NULL, NULL);
	List *tasks = NIL;

	while (catalog_next(scan))
	{
		Task *task = palloc0(sizeof(Task));

		task->classid = catalog_oid(scan, 1);
		task->objid = catalog_oid(scan, 2);
		tasks = lappend(tasks, task);
	}
	catalog_end(scan);
	return tasks;
}

static bool
is_queued(const Task *task)
{
	Oid keys[2] = {task->classid, task->objid};
	CatalogScan *scan = catalog_begin_oids("ddl_queue", "ddl_queue_pkey", 2, keys);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is a table to be looked at when this transaction commits? */
bool
is_unsettled(Oid relid)
{
	Task task = {0};

	task.classid = RelationRelationId;
	task.objid = relid;
	/* nothing is ever queued on a standby, where the queue cannot be read */
	return !RecoveryInProgress() && is_queued(&task);
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
		fresh = catalog_texts(scan, 7);
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
	store_binding(b);
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
	TriggerData *td = check_trigger(fcinfo, "ddl_settle");
	Task task = {0};
	ErrorData *error;

	/* what was queued by the statement that is ending, if constraints are not deferred */
	CommandCounterIncrement();
	if (!TransactionIdEquals(tried, GetTopTransactionId()))
	{
		List *tasks = queued_tasks();

		tried = GetTopTransactionId();
		/* an error comes again below, where it is known what it is about */
		if (list_length(tasks) > 1)
			(void) attempt(settle_all, tasks);
	}
	task.classid = atooid(SPI_getvalue(td->tg_trigtuple, RelationGetDescr(td->tg_relation), 1));
	task.objid = atooid(SPI_getvalue(td->tg_trigtuple, RelationGetDescr(td->tg_relation), 2));
	if (!is_queued(&task))
		return PointerGetDatum(NULL);
	error = attempt(settle_map, &task);
	if (error != NULL)
	{
		give_up(&task);
		tell_unsettled(task.objid, error, _("the ownership map was not brought up to date for"));
	}
	else if (task.guard)
	{
		error = attempt(settle_guard, &task);
		if (error != NULL && error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		{
			task.extension = true;
			error = attempt(settle_guard, &task);
		}
		if (error != NULL)
			tell_unsettled(task.objid, error, _("the guard was not created on table"));
	}
	return PointerGetDatum(NULL);
}
