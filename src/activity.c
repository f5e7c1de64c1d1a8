/*
 * activity.c
 *		Who reads and writes what: seen by the session, added up in its own
 *		memory, and handed over to shared memory when a transaction ends.
 *
 * Reads are what the executor's permission check sees, once for each statement
 * and column.  Writes are, where the guard judges rows, columns whose value
 * changed in one of them; where it was lifted or is not there, columns that
 * the statement names, if it wrote any row.  In a replication worker each row
 * counts.  Conflicts are counted by row and column.
 *
 * Reads and rejected attempts have happened, whatever becomes of the
 * transaction.  Writes and the other conflicts wait in a Delta of their
 * (sub)transaction until that commits or is prepared.  What they are added to
 * then was allocated when they were counted: nothing can fail at that point.
 *
 * Looking costs no catalog access once a relation is known, and never raises
 * an error that the statement would not have raised without us.
 */
#include "ownership.h"

#include "access/parallel.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "compat.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* Rows of one statement whose values are looked at for the count of writes. */
#define ROWS_COMPARED 10000

/*
 * Bytes of rejected attempts in a session: from the first on they do not wait
 * for the interval, and beyond the second they are lost.
 */
#define ATTEMPTS_EARLY (mailbox_largest() / 2)
#define ATTEMPTS_MOST (mailbox_largest() * 2)

/*
 * Which columns of a relation are on the map, and what they are there.  Like
 * a RelationMap, but without what can fail: a SELECT must not suffer from a
 * row filter that does not work.
 */
typedef struct Sight
{
	Oid relid; /* hash key */
	bool valid;
	bool ancestor; /* some other entry depends on it */
	bool mapped;
	MemoryContext cxt;
	Oid home; /* the table on the map */
	char *source;
	int natts;
	AttrNumber *home_attnum; /* by attribute number - 1; 0: not on the map */
	bool *key;
} Sight;

/* What is added up of one table and writer. */
typedef struct TotalKey
{
	Oid extension;
	Oid home;
	int system; /* index into systems + 1; 0: unidentified */
} TotalKey;

typedef struct Total
{
	TotalKey key;
	int natts;
	Counts *counts; /* by attribute number - 1 */
	uint32 *stamps; /* the statement that read it last */
	bool dirty;
	struct Total *next_dirty;
} Total;

/* What a (sub)transaction adds to a Total when it commits. */
typedef struct Delta
{
	dlist_node node;
	int level; /* of nesting */
	Total *total;
	int natts;
	Counts *counts;
} Delta;

/* The columns that a statement is known to have written. */
typedef struct Written
{
	dlist_node node;
	const void *statement;
	int level;
	Oid home;
	int rows;			/* looked at */
	Bitmapset *attnums; /* of home */
} Written;

/* A rejected attempt on its way. */
typedef struct Letter
{
	slist_node node;
	uint32 length;
	char text[FLEXIBLE_ARRAY_MEMBER];
} Letter;

/* Relations */
static HTAB *sights = NULL;
static uint64 generation = 0;
static Oid extension = InvalidOid; /* of this database */
static bool extension_known = false;

/* Counts */
static MemoryContext activity_cxt = NULL;
static char **systems = NULL;
static int nsystems = 0;
static HTAB *totals = NULL;
static Total *dirty = NULL;
static dlist_head deltas = DLIST_STATIC_INIT(deltas);
static dlist_head writes = DLIST_STATIC_INIT(writes);
static uint32 stamp = 0;
static bool explaining = false;

/* Attempts */
static slist_head letters = SLIST_STATIC_INIT(letters);
static slist_node *last_letter = NULL;
static Size letters_size = 0;
static int64 letters_lost = 0;

/* Hand-over */
static TimestampTz handed_over = 0; /* then */
static bool to_announce = false;
static uint64 announced = 0; /* not known to be written; 0: all is */
static bool exiting = false;
static TimeoutId idle_timeout = MAX_TIMEOUTS; /* MAX_TIMEOUTS: none */

static ExecutorStart_hook_type next_ExecutorStart = NULL;
static ExecutorFinish_hook_type next_ExecutorFinish = NULL;
static ExecutorCheckPerms_hook_type next_ExecutorCheckPerms = NULL;
static ProcessUtility_hook_type next_ProcessUtility = NULL;

/* The COPY under way. */
typedef struct CopyFrame
{
	Oid relid; /* written */
	Bitmapset *names;
} CopyFrame;

static CopyFrame *copying = NULL;

/*
 * Is anything counted at all?  Not without the library preloaded, not on a
 * standby, and not what the worker itself does.
 */
bool
activity_counts(void)
{
	return mailbox_exists() && !activity_is_worker && !IsParallelWorker();
}

/*
 * Relations
 */

static void
forget_sights(void)
{
	HASH_SEQ_STATUS status;
	Sight *sight;

	generation++;
	extension_known = false;
	if (sights == NULL)
		return;
	hash_seq_init(&status, sights);
	while ((sight = hash_seq_search(&status)) != NULL)
		sight->valid = false;
}

static void
relcache_callback(Datum arg, Oid relid)
{
	Sight *sight;

	/* a new relation may be one of the extension's */
	if (!OidIsValid(extension))
		extension_known = false;
	generation++;
	if (!OidIsValid(relid) || relid == catalog_signal || relid == extension)
	{
		forget_sights();
		return;
	}
	if (sights == NULL)
		return;
	sight = hash_search(sights, &relid, HASH_FIND, NULL);
	if (sight == NULL)
		return;
	if (sight->ancestor)
		forget_sights();
	sight->valid = false;
}

static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_sights();
}

/* Is the extension here? */
static bool
find_extension(void)
{
	while (unlikely(!extension_known))
	{
		uint64 seen = generation;

		extension = catalog_table("activity", true);
		/* anybody may give a schema that name */
		if (OidIsValid(extension) && !OidIsValid(get_extension_oid("ownership", true)))
			extension = InvalidOid;
		if (OidIsValid(extension))
			catalog_watch();
		extension_known = seen == generation;
	}
	return OidIsValid(extension);
}

static Sight *
sight_entry(Oid relid)
{
	Sight *sight;
	bool found;

	if (sights == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Sight);
		ctl.hcxt = CacheMemoryContext;
		sights = hash_create("ownership sights", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	sight = hash_search(sights, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(sight, 0, sizeof(Sight));
		sight->relid = relid;
	}
	return sight;
}

static bool
is_key(const char *entity, const char *field, Snapshot snapshot)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, snapshot);
	bool key = catalog_next(scan) && catalog_bool(scan, 6);

	catalog_end(scan);
	return key;
}

/* Adds the columns that one table on the map gives to the relation. */
static void
see_columns(Sight *sight, Relation rel, const char *schema, const char *table, Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, snapshot);

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, 3);
		AttrNumber attnum = get_attnum(sight->relid, name);

		if (attnum <= 0 || attnum > sight->natts || sight->home_attnum[attnum - 1] != 0)
			continue;
		sight->home_attnum[attnum - 1] =
			sight->home == sight->relid ? attnum : Max(get_attnum(sight->home, name), 0);
		sight->key[attnum - 1] = is_key(catalog_text(scan, 4), catalog_text(scan, 5), snapshot);
	}
	catalog_end(scan);
}

/* Fills the entry, in the current context. */
static void
look(Sight *sight)
{
	Relation rel = relation_open(sight->relid, AccessShareLock);
	List *ancestors = map_ancestors(sight->relid);
	List *relids = lcons_oid(sight->relid, list_copy(ancestors));
	Snapshot snapshot = catalog_snapshot();
	ListCell *lc;

	foreach(lc, ancestors)
		sight_entry(lfirst_oid(lc))->ancestor = true;
	sight->natts = RelationGetNumberOfAttributes(rel);
	sight->home_attnum = palloc0(Max(sight->natts, 1) * sizeof(AttrNumber));
	sight->key = palloc0(Max(sight->natts, 1) * sizeof(bool));
	foreach(lc, relids)
	{
		char *table = get_rel_name(lfirst_oid(lc));
		char *schema = table == NULL ? NULL : get_namespace_name(get_rel_namespace(lfirst_oid(lc)));
		const char *keys[2] = {schema, table};
		CatalogScan *scan;

		if (schema == NULL)
			continue;
		scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, snapshot);
		if (catalog_next(scan))
		{
			if (!sight->mapped)
			{
				sight->home = lfirst_oid(lc);
				sight->source = catalog_text(scan, 3);
			}
			sight->mapped = true;
			see_columns(sight, rel, schema, table, snapshot);
		}
		catalog_end(scan);
	}
	catalog_release(snapshot);
	relation_close(rel, AccessShareLock);
}

/* The relation's columns on the map, or NULL where there are none. */
static Sight *
sight_of(Oid relid)
{
	Sight *sight;

	if (relid < FirstNormalObjectId || !find_extension())
		return NULL;
	sight = sight_entry(relid);
	while (unlikely(!sight->valid))
	{
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership sight", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		uint64 seen = generation;
		Sight seen_now = {0};

		seen_now.relid = relid;
		look(&seen_now);
		MemoryContextSwitchTo(old);
		if (seen != generation)
		{
			MemoryContextDelete(cxt);
			if (!find_extension())
				return NULL;
			continue;
		}
		if (sight->cxt != NULL)
			MemoryContextDelete(sight->cxt);
		if (seen_now.mapped)
		{
			MemoryContextSetParent(cxt, CacheMemoryContext);
			seen_now.cxt = cxt;
		}
		else
			MemoryContextDelete(cxt);
		seen_now.ancestor = sight->ancestor;
		seen_now.valid = true;
		*sight = seen_now;
	}
	return sight->mapped ? sight : NULL;
}

/*
 * Adding up
 */

static void hand_over_at_exit(int code, Datum arg);
static void hand_over_when_idle(void);

static void
begin_counting(void)
{
	HASHCTL ctl = {0};

	if (activity_cxt != NULL)
		return;
	activity_cxt =
		AllocSetContextCreate(TopMemoryContext, "ownership activity", ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(TotalKey);
	ctl.entrysize = sizeof(Total);
	ctl.hcxt = activity_cxt;
	totals = hash_create("ownership totals", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	before_shmem_exit(hand_over_at_exit, (Datum) 0);
	if (MyBackendType == B_BACKEND)
		idle_timeout = RegisterTimeout(USER_TIMEOUT, hand_over_when_idle);
	if (handed_over == 0)
		handed_over = MyStartTimestamp;
}

/* A number for the system's name, within this session. */
static int
system_number(const char *system)
{
	if (system == NULL)
		return 0;
	for (int i = 0; i < nsystems; i++)
		if (strcmp(systems[i], system) == 0)
			return i + 1;
	systems = systems == NULL ? MemoryContextAlloc(activity_cxt, sizeof(char *))
							  : repalloc(systems, (nsystems + 1) * sizeof(char *));
	systems[nsystems] = MemoryContextStrdup(activity_cxt, system);
	return ++nsystems;
}

/* The counts of a table and a writer, with room for that many columns. */
static Total *
total_of(Oid home, int system, int natts)
{
	TotalKey key = {0};
	Total *total;
	bool found;

	key.extension = extension;
	key.home = home;
	key.system = system;
	total = hash_search(totals, &key, HASH_ENTER, &found);
	if (!found)
	{
		total->natts = 0;
		total->counts = NULL;
		total->stamps = NULL;
		total->dirty = false;
	}
	if (unlikely(total->natts < natts))
	{
		Counts *counts = MemoryContextAllocZero(activity_cxt, natts * sizeof(Counts));
		uint32 *stamps = MemoryContextAllocZero(activity_cxt, natts * sizeof(uint32));

		if (total->natts > 0)
		{
			memcpy(counts, total->counts, total->natts * sizeof(Counts));
			pfree(total->counts);
			pfree(total->stamps);
		}
		total->counts = counts;
		total->stamps = stamps;
		total->natts = natts;
	}
	return total;
}

static void
mark_dirty(Total *total)
{
	if (total->dirty)
		return;
	total->dirty = true;
	total->next_dirty = dirty;
	dirty = total;
}

/* What this (sub)transaction adds to a column's counts. */
static Counts *
pending_counts(Oid home, int system, AttrNumber attnum)
{
	Total *total = total_of(home, system, attnum);
	int level = GetCurrentTransactionNestLevel();
	Delta *delta = NULL;
	dlist_iter iter;

	/* the innermost transaction's are the first */
	dlist_foreach(iter, &deltas)
	{
		Delta *d = dlist_container(Delta, node, iter.cur);

		if (d->level < level)
			break;
		if (d->total == total)
		{
			delta = d;
			break;
		}
	}
	if (delta == NULL)
	{
		delta = MemoryContextAllocZero(TopTransactionContext, sizeof(Delta));
		delta->level = level;
		delta->total = total;
		dlist_push_head(&deltas, &delta->node);
	}
	if (delta->natts < attnum)
	{
		int natts = total->natts;
		Counts *counts = MemoryContextAllocZero(TopTransactionContext, natts * sizeof(Counts));

		if (delta->natts > 0)
			memcpy(counts, delta->counts, delta->natts * sizeof(Counts));
		delta->counts = counts;
		delta->natts = natts;
	}
	return &delta->counts[attnum - 1];
}

static void
count(Counts *counts, CountKind kind, TimestampTz at)
{
	counts->n[kind]++;
	if (counts->first_seen == 0)
		counts->first_seen = at;
	if (kind == COUNT_READS)
		counts->last_read = at;
	else if (kind == COUNT_WRITES)
		counts->last_write = at;
}

/*
 * Who is reading or writing, for a table: a number.  A setting that names no
 * system is an error to the guard, but not to us.
 */
static int
who(const Sight *sight)
{
	const Writer *writer = known_writer();

	if (writer == NULL)
	{
		if (ownership_system != NULL && ownership_system[0] != '\0' &&
			!system_exists(ownership_system))
			return 0;
		writer = current_writer();
	}
	return system_number(writer_system(writer, sight->source));
}

/*
 * Reads
 */

static void
count_reads(const CompatPerms *perms)
{
	Sight *sight = sight_of(perms->relid);
	TimestampTz now;
	Total *total;
	int system;
	bool whole;
	int i = -1;

	if (sight == NULL)
		return;
	begin_counting();
	system = who(sight);
	/* finding out who may have made us forget what is on the map */
	sight = sight_of(perms->relid);
	if (sight == NULL)
		return;
	whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, perms->selected);
	now = GetCurrentStatementStartTimestamp();
	total = NULL;
	if (whole)
		i = 0 - FirstLowInvalidHeapAttributeNumber;
	for (;;)
	{
		AttrNumber attnum;
		AttrNumber home;

		i = whole ? i + 1 : bms_next_member(perms->selected, i);
		if (i < 0)
			break;
		attnum = i + FirstLowInvalidHeapAttributeNumber;
		if (attnum > sight->natts)
			break;
		if (attnum <= 0 || (home = sight->home_attnum[attnum - 1]) == 0)
			continue;
		if (total == NULL || total->natts < home)
			total = total_of(sight->home, system, Max(home, sight->natts));
		if (total->stamps[home - 1] == stamp)
			continue;
		total->stamps[home - 1] = stamp;
		count(&total->counts[home - 1], COUNT_READS, now);
		mark_dirty(total);
	}
}

static bool
hook_ExecutorCheckPerms(CHECK_PERMS_ARGS)
{
	ListCell *lc;

	if (next_ExecutorCheckPerms && !next_ExecutorCheckPerms(CHECK_PERMS_PASS))
		return false;
	/* foreign-key checks read on nobody's behalf */
	if (explaining || !activity_counts() || InNoForceRLSOperation() || !IsTransactionState())
		return true;
	stamp++;
	foreach(lc, CHECK_PERMS_LIST)
	{
		CompatPerms perms = compat_perms(lfirst(lc));

		if (!OidIsValid(perms.relid))
			continue;
		if ((perms.required & ACL_SELECT) != 0 && perms.selected != NULL && ownership_track_reads)
			count_reads(&perms);
		if (copying != NULL && !OidIsValid(copying->relid) && (perms.required & ACL_INSERT) != 0)
		{
			copying->relid = perms.relid;
			copying->names = bms_copy(perms.inserted);
		}
	}
	return true;
}

/*
 * Writes
 */

static Written *
find_written(const void *statement, Oid home)
{
	dlist_iter iter;

	dlist_foreach(iter, &writes)
	{
		Written *written = dlist_container(Written, node, iter.cur);

		if (written->statement == statement && written->home == home)
			return written;
	}
	return NULL;
}

static Written *
remember_statement(const void *statement, Oid home)
{
	Written *written = MemoryContextAllocZero(TopTransactionContext, sizeof(Written));

	written->statement = statement;
	written->level = GetCurrentTransactionNestLevel();
	written->home = home;
	dlist_push_head(&writes, &written->node);
	return written;
}

static void
forget_statement(const void *statement)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &writes)
	{
		Written *written = dlist_container(Written, node, iter.cur);

		if (written->statement != statement)
			continue;
		dlist_delete(iter.cur);
		bms_free(written->attnums);
		pfree(written);
	}
}

/* Count a write of a column; once for each statement, if that is known. */
static void
count_write(Written *written, Oid home, int system, AttrNumber attnum)
{
	if (written != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		written->attnums = bms_add_member(written->attnums, attnum);
		MemoryContextSwitchTo(old);
	}
	count(pending_counts(home, system, attnum), COUNT_WRITES, GetCurrentStatementStartTimestamp());
}

/* Did the row write the column?  The rules of the guard, for every writer. */
static bool
wrote(const RelationMap *map, const MappedColumn *col, Operation operation, const Bitmapset *named,
	  TupleTableSlot *stored, TupleTableSlot *row)
{
	Datum before;
	Datum after;
	bool before_null;
	bool after_null;

	if (operation == OPERATION_DELETE || operation == OPERATION_TRUNCATE)
		return col->key;
	if (operation == OPERATION_UPDATE)
	{
		if (named != NULL && !bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named))
			return false;
		before = slot_getattr(stored, col->attnum, &before_null);
		after = slot_getattr(row, col->attnum, &after_null);
		return value_changed(col, before, before_null, after, after_null);
	}
	if (col->key)
		return true;
	after = slot_getattr(row, col->attnum, &after_null);
	if (after_null)
		return false;
	if (!col->constant_default)
		return statement_names_insert(map, col);
	return value_changed(col, after, false, col->default_value, col->default_isnull);
}

/*
 * The guard judged a row that was written: `row` as it is now, `stored` as it
 * was.  Either may be NULL where there is none.
 */
void
activity_row(const RelationMap *map, const char *system, Operation operation,
			 const Bitmapset *named, TupleTableSlot *stored, TupleTableSlot *row)
{
	const void *statement = statement_key();
	Written *written = NULL;
	Sight *sight;

	if (!activity_counts() || (sight = sight_of(map->relid)) == NULL)
		return;
	begin_counting();
	if (statement != NULL)
	{
		written = find_written(statement, sight->home);
		if (written == NULL)
			written = remember_statement(statement, sight->home);
		if (written->rows >= ROWS_COMPARED)
			return;
		written->rows++;
	}
	for (int i = 0; i < map->ncols; i++)
	{
		const MappedColumn *col = &map->cols[i];
		AttrNumber home = col->attnum <= sight->natts ? sight->home_attnum[col->attnum - 1] : 0;

		if (home == 0 || (written != NULL && bms_is_member(home, written->attnums)) ||
			!wrote(map, col, operation, named, stored, row))
			continue;
		count_write(written, sight->home, system_number(system), home);
	}
}

/* Count what a statement names of a relation, and the key where rows come or go. */
static void
count_named(const void *statement, Sight *sight, const CompatPerms *perms)
{
	Written *written = find_written(statement, sight->home);
	int system = who(sight);
	bool inserts = (perms->required & ACL_INSERT) != 0;
	bool updates = (perms->required & ACL_UPDATE) != 0;
	bool deletes = (perms->required & ACL_DELETE) != 0;

	sight = sight_of(perms->relid);
	if (sight == NULL)
		return;
	if (written == NULL)
		written = remember_statement(statement, sight->home);
	for (AttrNumber attnum = 1; attnum <= sight->natts; attnum++)
	{
		int member = attnum - FirstLowInvalidHeapAttributeNumber;
		AttrNumber home = sight->home_attnum[attnum - 1];

		if (home == 0 || bms_is_member(home, written->attnums))
			continue;
		if ((inserts && bms_is_member(member, perms->inserted)) ||
			(updates && bms_is_member(member, perms->updated)) ||
			((inserts || deletes) && sight->key[attnum - 1]))
			count_write(written, sight->home, system, home);
	}
}

/* Was the guard lifted off the table, or some part of it, for the statement? */
static bool
was_lifted_among(List *relations, Oid home)
{
	ListCell *lc;

	foreach(lc, relations)
	{
		ResultRelInfo *rri = lfirst(lc);
		TriggerDesc *desc = rri->ri_TrigDesc;
		Sight *sight;

		for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
		{
			if (desc->triggers[i].tgenabled != TRIGGER_DISABLED ||
				strcmp(desc->triggers[i].tgname, TRIGGER_JUDGE) != 0)
				continue;
			sight = sight_of(RelationGetRelid(rri->ri_RelationDesc));
			if (sight != NULL && sight->home == home)
				return true;
		}
	}
	return false;
}

static bool
was_lifted(EState *estate, Oid home)
{
	return was_lifted_among(estate->es_opened_result_relations, home) ||
		   was_lifted_among(estate->es_tuple_routing_result_relations, home);
}

/* A statement ended: count what was written without being judged. */
static void
count_statement(QueryDesc *query)
{
	PlannedStmt *statement = query->plannedstmt;
	EState *estate = query->estate;
	ListCell *lc;

	if (estate->es_processed > 0 || statement->hasModifyingCTE)
	{
		foreach(lc, statement->resultRelations)
		{
			RangeTblEntry *rte = rt_fetch(lfirst_int(lc), statement->rtable);
			CompatPerms perms = compat_rte_perms(statement, rte);
			Sight *sight;

			/* of partitions, the table says that the statement names */
			if (!OidIsValid(perms.relid) || (sight = sight_of(perms.relid)) == NULL)
				continue;
			begin_counting();
			if (find_written(query, sight->home) == NULL || was_lifted(estate, sight->home))
				count_named(query, sight, &perms);
		}
	}
	forget_statement(query);
}

static void
hook_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	explaining = (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0;
	if (next_ExecutorStart)
		next_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	explaining = false;
}

static void
hook_ExecutorFinish(QueryDesc *queryDesc)
{
	if (next_ExecutorFinish)
		next_ExecutorFinish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
	if (queryDesc->plannedstmt->resultRelations != NIL && activity_counts())
		count_statement(queryDesc);
}

/* COPY ended: where no row was judged, what it names counts. */
static void
count_copy(const void *statement, const CopyFrame *frame)
{
	Sight *sight = sight_of(frame->relid);

	if (sight != NULL)
	{
		CompatPerms perms = {0};

		perms.relid = frame->relid;
		perms.required = ACL_INSERT;
		perms.inserted = frame->names;
		begin_counting();
		if (find_written(statement, sight->home) == NULL)
			count_named(statement, sight, &perms);
	}
	forget_statement(statement);
}

static void
hook_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	CopyFrame *outer = copying;
	CopyFrame frame = {0};
	bool copy = IsA(pstmt->utilityStmt, CopyStmt) && ((CopyStmt *) pstmt->utilityStmt)->is_from &&
				activity_counts();

	if (!copy)
	{
		if (next_ProcessUtility)
			next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								qc);
		else
			standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
									dest, qc);
		return;
	}

	copying = &frame;
	PG_TRY();
	{
		if (next_ProcessUtility)
			next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								qc);
		else
			standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
									dest, qc);
	}
	PG_FINALLY();
	{
		copying = outer;
	}
	PG_END_TRY();
	if (OidIsValid(frame.relid) && (qc == NULL || qc->nprocessed > 0))
		count_copy(pstmt, &frame);
}

/*
 * Conflicts
 */

static CountKind
kind_of(Verdict outcome)
{
	switch (outcome)
	{
		case VERDICT_OBSERVE:
			return COUNT_OBSERVED;
		case VERDICT_FILL:
			return COUNT_FILLED;
		case VERDICT_OVERRIDE:
			return COUNT_OVERRIDDEN;
		case VERDICT_KEEP:
		case VERDICT_DISCARD:
			return COUNT_KEPT;
		case VERDICT_ALLOW:
		case VERDICT_REJECT:
			break;
	}
	return COUNT_REJECTED;
}

/* The columns of the conflicts with e's outcome, as attributes of the table on the map. */
static AttrNumber
conflict_attnum(const Evidence *e, const Sight *sight, int i)
{
	AttrNumber attnum = e->conflicts->items[i].col->attnum;

	if (e->conflicts->items[i].verdict != e->outcome || attnum > sight->natts)
		return 0;
	return sight->home_attnum[attnum - 1];
}

/* Evidence of something that did not fail: counted if the transaction does not either. */
void
activity_conflict(const Evidence *e)
{
	Sight *sight;
	int system;

	if (!activity_counts() || (sight = sight_of(e->map->relid)) == NULL)
		return;
	begin_counting();
	system = system_number(e->system);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		AttrNumber home = conflict_attnum(e, sight, i);

		if (home != 0)
			count(pending_counts(sight->home, system, home), kind_of(e->outcome),
				  GetCurrentStatementStartTimestamp());
	}
}

/* An attempt as it goes through the queue. */
static void
attempt_write(const Attempt *attempt, StringInfo message)
{
	initStringInfo(message);
	appendBinaryStringInfo(message, (const char *) &attempt->extension, sizeof(attempt->extension));
	appendBinaryStringInfo(message, (const char *) &attempt->at, sizeof(attempt->at));
	for (int i = 0; i < ATTEMPT_TEXTS; i++)
	{
		appendStringInfoChar(message, attempt->texts[i] != NULL);
		if (attempt->texts[i] != NULL)
			appendBinaryStringInfo(message, attempt->texts[i], strlen(attempt->texts[i]) + 1);
	}
}

/* The reverse; the texts point into the message. */
Attempt
attempt_read(const char *message)
{
	Attempt attempt;

	memcpy(&attempt.extension, message, sizeof(attempt.extension));
	message += sizeof(attempt.extension);
	memcpy(&attempt.at, message, sizeof(attempt.at));
	message += sizeof(attempt.at);
	for (int i = 0; i < ATTEMPT_TEXTS; i++)
	{
		bool present = *message++ != 0;

		attempt.texts[i] = present ? message : NULL;
		if (present)
			message += strlen(message) + 1;
	}
	return attempt;
}

/*
 * A write that is about to be rejected.  The texts of `attempt` are all that
 * is to be told of it.
 */
void
activity_attempt(const Evidence *e, Attempt *attempt)
{
	Sight *sight = sight_of(e->map->relid);
	StringInfoData message;
	Letter *letter;
	int system;

	if (sight == NULL)
		return;
	begin_counting();
	system = system_number(e->system);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		AttrNumber home = conflict_attnum(e, sight, i);
		Total *total;

		if (home == 0)
			continue;
		total = total_of(sight->home, system, Max(home, sight->natts));
		count(&total->counts[home - 1], COUNT_REJECTED, attempt->at);
		mark_dirty(total);
	}

	attempt->extension = extension;
	attempt_write(attempt, &message);
	/* what would fill the queue on its own comes without values */
	if (message.len > (int) mailbox_largest())
	{
		attempt->texts[ATTEMPT_KEY] = NULL;
		attempt->texts[ATTEMPT_STORED] = NULL;
		attempt->texts[ATTEMPT_PROPOSED] = NULL;
		attempt_write(attempt, &message);
	}
	if (letters_size + message.len > ATTEMPTS_MOST && !slist_is_empty(&letters))
	{
		letters_lost++;
		return;
	}
	letter = MemoryContextAlloc(activity_cxt, offsetof(Letter, text) + message.len);
	letter->length = message.len;
	memcpy(letter->text, message.data, message.len);
	if (slist_is_empty(&letters))
		slist_push_head(&letters, &letter->node);
	else
		slist_insert_after(last_letter, &letter->node);
	last_letter = &letter->node;
	letters_size += letter->length;
}

/*
 * Handing over
 */

/* All counts of a table and writer; what was left is zero afterwards. */
static MailResult
hand_over_total(Total *total, bool wait)
{
	CounterKey key;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.extension = total->key.extension;
	key.relation = total->key.home;
	if (total->key.system > 0)
		strlcpy(key.system, systems[total->key.system - 1], NAMEDATALEN);
	for (int i = 0; i < total->natts; i++)
	{
		MailResult result;

		if (counts_empty(&total->counts[i]))
			continue;
		key.attnum = i + 1;
		result = mailbox_count(&key, &total->counts[i], wait);
		if (result != MAIL_SENT)
			return result;
		memset(&total->counts[i], 0, sizeof(Counts));
		to_announce = true;
	}
	/* a session may see a great many tables; but what is pending needs the room */
	if (dlist_is_empty(&deltas) && total->natts > 0)
	{
		pfree(total->counts);
		pfree(total->stamps);
		total->natts = 0;
	}
	return MAIL_SENT;
}

/*
 * Leave everything in shared memory, and tell the worker.  Raises no error.
 * Without a wait a lock that is not free puts it off to the next transaction;
 * what finds no room is tried again after the interval.
 */
static bool
hand_over(bool wait)
{
	Total *total = dirty;
	bool busy = false;

	dirty = NULL;
	while (total != NULL)
	{
		Total *next = total->next_dirty;

		total->dirty = false;
		if (busy)
			mark_dirty(total);
		else
		{
			MailResult result = hand_over_total(total, wait);

			if (result != MAIL_SENT)
				mark_dirty(total);
			busy = result == MAIL_BUSY;
		}
		total = next;
	}

	while (!busy && !slist_is_empty(&letters))
	{
		Letter *letter = slist_head_element(Letter, node, &letters);
		MailResult result = mailbox_post(letter->text, letter->length, wait);

		busy = result == MAIL_BUSY;
		if (result != MAIL_SENT)
			break;
		(void) slist_pop_head_node(&letters);
		letters_size -= letter->length;
		pfree(letter);
		to_announce = true;
	}
	if (letters_lost > 0 && !busy)
	{
		mailbox_dropped(letters_lost, 0);
		letters_lost = 0;
	}

	if (to_announce && !busy)
	{
		uint64 number = mailbox_announce(wait);

		if (number == 0)
			busy = true;
		else
		{
			announced = number;
			to_announce = false;
		}
	}
	return !busy;
}

/*
 * The interval is over.  In an idle session nothing would end a transaction
 * before the client's next statement; but where PostgreSQL is asked to catch
 * up with invalidations, it runs an empty one.  This is a signal handler.
 */
static void
hand_over_when_idle(void)
{
	HandleCatchupInterrupt();
}

/* A transaction ended. */
static void
hand_over_in_time(void)
{
	TimestampTz now;

	if (dirty == NULL && slist_is_empty(&letters) && !to_announce && announced == 0)
		return;
	now = GetCurrentTimestamp();
	if (!exiting && letters_size < ATTEMPTS_EARLY &&
		!TimestampDifferenceExceeds(handed_over, now, ownership_flush_interval))
	{
		if (idle_timeout != MAX_TIMEOUTS && !get_timeout_active(idle_timeout))
			enable_timeout_at(idle_timeout,
							  TimestampTzPlusMilliseconds(handed_over, ownership_flush_interval));
		return;
	}
	/* should the worker have come to grief meanwhile, another one goes on */
	if (announced != 0 && mailbox_is_written(announced))
		announced = 0;
	if (dirty == NULL && slist_is_empty(&letters) && !to_announce)
		handed_over = now;
	else if (hand_over(exiting))
		handed_over = now;
}

/* The session ends: what finds no room now is lost. */
static void
hand_over_at_exit(int code, Datum arg)
{
	int64 counts = 0;
	int64 attempts = 0;
	slist_iter iter;

	exiting = true;
	if (!mailbox_exists())
		return;
	(void) hand_over(true);
	for (Total *total = dirty; total != NULL; total = total->next_dirty)
		for (int i = 0; i < total->natts; i++)
			for (int k = 0; k < COUNT_KINDS; k++)
				counts += total->counts[i].n[k];
	slist_foreach(iter, &letters)
		attempts++;
	if (counts > 0 || attempts > 0)
		mailbox_dropped(attempts, counts);
	dirty = NULL;
	slist_init(&letters);
}

/* Adds what committed to the totals, which have the room.  Raises no error. */
static void
settle_deltas(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &deltas)
	{
		Delta *delta = dlist_container(Delta, node, iter.cur);

		for (int i = 0; i < delta->natts; i++)
			if (!counts_empty(&delta->counts[i]))
				counts_add(&delta->total->counts[i], &delta->counts[i]);
		mark_dirty(delta->total);
	}
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			settle_deltas();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	/* their memory goes with the transaction */
	dlist_init(&deltas);
	dlist_init(&writes);
	explaining = false;
	hand_over_in_time();
}

/* Adds a delta to that of the transaction above, if there is one. */
static bool
merge_delta(Delta *delta, int level)
{
	dlist_iter iter;

	dlist_foreach(iter, &deltas)
	{
		Delta *above = dlist_container(Delta, node, iter.cur);

		if (above->level != level || above->total != delta->total)
			continue;
		if (above->natts < delta->natts)
		{
			Counts *counts = above->counts;
			int natts = above->natts;

			above->counts = delta->counts;
			above->natts = delta->natts;
			delta->counts = counts;
			delta->natts = natts;
		}
		for (int i = 0; i < delta->natts; i++)
			counts_add(&above->counts[i], &delta->counts[i]);
		return true;
	}
	return false;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				 void *arg)
{
	int level = GetCurrentTransactionNestLevel();
	dlist_mutable_iter iter;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	explaining = false;
	dlist_foreach_modify(iter, &deltas)
	{
		Delta *delta = dlist_container(Delta, node, iter.cur);

		if (delta->level < level)
			break;
		if (event == SUBXACT_EVENT_COMMIT_SUB && !merge_delta(delta, level - 1))
			delta->level = level - 1;
		else
		{
			dlist_delete(iter.cur);
			pfree(delta->counts);
			pfree(delta);
		}
	}
	dlist_foreach_modify(iter, &writes)
	{
		Written *written = dlist_container(Written, node, iter.cur);

		if (written->level < level)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			written->level = level - 1;
		else
		{
			dlist_delete(iter.cur);
			bms_free(written->attnums);
			pfree(written);
		}
	}
}

PG_FUNCTION_INFO_V1(ownership_flush);

/*
 * flush(): returns when all that was handed over before, and all of this
 * session's own, is in the tables.
 *
 * Errors: the library is not preloaded; recovery is in progress; the worker
 * fails or cannot be started.
 */
Datum
ownership_flush(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("recovery is in progress"),
						errdetail("On a standby no activity is counted, and nothing is written.")));
	if (!mailbox_exists())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity is not remembered"),
				 errdetail(
					 "The library \"ownership\" is not preloaded, or ownership.activity_size is 0."),
				 errhint("Set shared_preload_libraries = 'ownership' and restart the server.")));
	while (!hand_over(true) || dirty != NULL || !slist_is_empty(&letters))
	{
		/* there was no room: there is some when that is written */
		mailbox_flush();
		CHECK_FOR_INTERRUPTS();
	}
	mailbox_flush();
	PG_RETURN_VOID();
}

void
activity_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_callback, (Datum) 0);
	next_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = hook_ExecutorStart;
	next_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = hook_ExecutorFinish;
	next_ExecutorCheckPerms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = hook_ExecutorCheckPerms;
	next_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = hook_ProcessUtility;
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
