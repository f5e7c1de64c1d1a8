/*
 * map.c
 *		The cached map of a relation.
 *
 * Backend-local, keyed by OID, negative answers included.  An entry holds for
 * a relation what the map says of it and of everything above it: partitions
 * and inheritance children are judged by the map of the table that stands on
 * the map, with their own attribute numbers.
 *
 * Invalidation: the tables of the map carry triggers that invalidate
 * catalog_signal's relcache entry at commit; one message marks all entries of
 * all sessions.  DDL on the relation or on something above it sends its own.
 * Callbacks only mark.  A load reads with one snapshot taken after the marks
 * were cleared, and starts again when a mark came in meanwhile.  Where marks
 * come in during each of LOADS loads, the last one answers this call, as one
 * that looked when it did, and is not kept for another.
 *
 * An entry is never freed.  The map that it had before a reload is freed at
 * once, unless somebody may go on reading it: the statement that is judged by
 * it (moment.c) has pinned it, and whoever runs code of users with a map in
 * hand says so (map_enter(), map_leave()).
 *
 * Edits that this session makes are told from those of others: the former hold
 * at once for the statements under way, too.
 */
#include "base.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/syscache.h"

typedef struct MapEntry
{
	Oid relid;		  /* hash key */
	bool ancestor;	  /* some other relation's map depends on it */
	RelationMap *map; /* NULL: none was loaded yet */
} MapEntry;

static HTAB *maps = NULL; /* of MapEntry */
static uint64 generation = 0;
static bool any_valid = false; /* entries to be marked; edits of the map mark often */
static uint64 relation_changes = 0;
uint64 map_signals = 0;			/* how often some session's edit of the map, or a reset, came in */
bool map_any_functions = false; /* filters or defaults that may call some */
bool map_any_domains = false;
static uint64 map_aborts = 1; /* of transactions and subtransactions */
static uint64 loads = 0;

/* Those who have a map in hand, as the nesting levels of their transactions. */
static int *holders = NULL;
static int nholders = 0;
static int max_holders = 0;
static MemoryContext retired = NULL; /* what they may still read; goes with the transaction */

/* How often this session has edited the map, or taken edits back. */
uint64 map_edits = 0;
static CommandId edit_command = InvalidCommandId; /* of the last edit of this transaction */
static int edit_level = 0;						  /* the innermost that has edits */

static void
mark_all(void)
{
	HASH_SEQ_STATUS status;
	MapEntry *entry;

	generation++;
	if (!any_valid)
		return;
	hash_seq_init(&status, maps);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->map != NULL)
			entry->map->valid = false;
	any_valid = false;
}

/*
 * A relation changed; InvalidOid: all may have.  True: the map itself may have.
 */
bool
map_forget(Oid relid)
{
	MapEntry *entry;

	relation_changes++;
	if (!OidIsValid(relid) || relid == catalog_signal)
	{
		map_signals++;
		mark_all();
		return true;
	}
	if (maps == NULL)
		return false;
	entry = hash_search(maps, &relid, HASH_FIND, NULL);
	if (entry == NULL)
		return false;
	if (entry->ancestor)
		mark_all();
	if (entry->map != NULL)
		entry->map->valid = false;
	generation++;
	return false;
}

/* A schema got another name: any map may be another now. */
void
map_forget_names(void)
{
	mark_all();
}

/* A function was replaced: a filter or default may hold its old body. */
void
map_forget_functions(void)
{
	if (map_any_functions)
		mark_all();
}

/* A domain was altered: its default and whether it takes NULL are the columns'. */
void
map_forget_types(void)
{
	if (map_any_domains)
		mark_all();
}

/*
 * This session edits the map.  Statements under way see it as soon as it sees
 * its own rows: from the next command on.
 */
void
map_edited(void)
{
	map_edits++;
	edit_command = GetCurrentCommandId(false);
	edit_level = Max(edit_level, GetCurrentTransactionNestLevel());
}

/* The edits that a statement can have seen by now. */
uint64
map_edits_seen(void)
{
	if (edit_command == InvalidCommandId || GetCurrentCommandId(false) > edit_command)
		return map_edits;
	return map_edits - 1;
}

/* While this stays the same, so does what the relation cache tells. */
uint64
map_relation_changes(void)
{
	return relation_changes;
}

/* The transaction ended. */
void
map_end_transaction(bool aborted)
{
	if (aborted)
		map_aborts++;
	edit_command = InvalidCommandId;
	edit_level = 0;
	nholders = 0;
	retired = NULL;
}

/* A subtransaction ended.  True: edits of the map were taken back. */
bool
map_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();
	bool edited = edit_level >= level;

	edit_level = Min(edit_level, level - 1);
	if (!aborted)
		return false;
	map_aborts++;
	/* the error ended them */
	while (nholders > 0 && holders[nholders - 1] >= level)
		nholders--;
	if (!edited)
		return false;
	map_edits++;
	return true;
}

/* The caller is about to run what users wrote, while it reads a map. */
void
map_enter(void)
{
	if (nholders == 0 && retired != NULL)
	{
		MemoryContextDelete(retired);
		retired = NULL;
	}
	if (nholders == max_holders)
	{
		int most = Max(16, 2 * max_holders);

		holders = holders == NULL ? MemoryContextAlloc(TopMemoryContext, most * sizeof(int))
								  : repalloc(holders, most * sizeof(int));
		max_holders = most;
	}
	holders[nholders++] = GetCurrentTransactionNestLevel();
}

/* It has read it.  Errors do without. */
void
map_leave(void)
{
	Assert(nholders > 0);
	nholders--;
}

/* Frees a map that is not in the cache any more, when nobody reads it. */
static void
retire(RelationMap *map)
{
	map->retired = true;
	if (map->pins > 0)
		return;
	if (nholders == 0)
	{
		MemoryContextDelete(map->cxt);
		return;
	}
	if (retired == NULL)
		retired = AllocSetContextCreate(TopTransactionContext, "ownership maps of old",
										ALLOCSET_SMALL_SIZES);
	MemoryContextSetParent(map->cxt, retired);
}

/* A statement goes by the map until map_unpin(), whatever is loaded meanwhile. */
void
map_pin(RelationMap *map)
{
	map->pins++;
}

void
map_unpin(RelationMap *map)
{
	Assert(map->pins > 0);
	if (--map->pins == 0 && map->retired)
		retire(map);
}

static MapEntry *
map_entry(Oid relid)
{
	MapEntry *entry;
	bool found;

	if (maps == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(MapEntry);
		ctl.hcxt = CacheMemoryContext;
		maps = hash_create("ownership maps", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(maps, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->ancestor = false;
		entry->map = NULL;
	}
	return entry;
}

/*
 * Everything above a relation, the nearest first: partitioned tables and
 * inheritance parents alike.
 */
List *
place_ancestors(Oid relid)
{
	List *todo = list_make1_oid(relid);
	List *ancestors = NIL;
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);

	while (todo != NIL)
	{
		Oid child = linitial_oid(todo);
		SysScanDesc scan;
		ScanKeyData key;
		HeapTuple tuple;

		todo = list_delete_first(todo);
		ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(child));
		scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Oid parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

			if (!list_member_oid(ancestors, parent))
			{
				ancestors = lappend_oid(ancestors, parent);
				todo = lappend_oid(todo, parent);
			}
		}
		systable_endscan(scan);
	}
	table_close(inherits, AccessShareLock);
	return ancestors;
}

/* Attribute number of a live, stored column, or InvalidAttrNumber. */
static AttrNumber
column_attnum(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' &&
			strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/* Does the type forbid NULL, as a domain can? */
static bool
type_not_null(Oid typid)
{
	bool not_null = false;

	while (!not_null && OidIsValid(typid))
	{
		HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
		Form_pg_type type;

		if (!HeapTupleIsValid(tuple))
			break;
		type = (Form_pg_type) GETSTRUCT(tuple);
		not_null = type->typnotnull;
		typid = type->typtype == TYPTYPE_DOMAIN ? type->typbasetype : InvalidOid;
		ReleaseSysCache(tuple);
	}
	return not_null;
}

/* A column's default, as rel has it. */
static void
load_default(Relation rel, Node *expr, ColumnDefault *standard)
{
	Node *constant;

	standard->constant = true;
	standard->isnull = true;
	standard->role = rel->rd_rel->relowner;
	if (expr == NULL)
		return;
	map_any_functions |= !IsA(expr, Const);
	expr = (Node *) expression_planner((Expr *) expr);
	/* a domain's constraints are checked when it is used; they do not change it */
	constant = expr;
	while (IsA(constant, CoerceToDomain))
		constant = (Node *) castNode(CoerceToDomain, constant)->arg;
	standard->constant = IsA(constant, Const);
	if (standard->constant)
	{
		const Const *value = castNode(Const, constant);

		standard->isnull = value->constisnull;
		if (!value->constisnull)
			standard->value = datumCopy(value->constvalue, value->constbyval, value->constlen);
	}
	standard->is_volatile = contain_volatile_functions(expr);
	if (constant != expr || !standard->constant)
		standard->expr = (Expr *) expr;
}

/* What is needed to compare a column's values, and to replace them. */
static void
load_column_type(Relation rel, MappedColumn *col)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), col->attnum - 1);

	map_any_domains |= getBaseType(att->atttypid) != att->atttypid;
	col->type = value_type(att->atttypid);
	col->not_null = att->attnotnull || type_not_null(att->atttypid);
	col->defaults = palloc0(sizeof(ColumnDefault));
	load_default(rel, build_column_default(rel, col->attnum), col->defaults);
}

/*
 * Adds the defaults of the tables from which rows are routed to a partition.
 * What is constant in them is computed as each table's owner.
 */
static void
load_defaults_above(RelationMap *map, Relation rel)
{
	int ncols = map->ncols + map->nothers;
	int level = 0;
	ListCell *lc;

	map->routed = rel->rd_rel->relispartition;
	if (!map->routed)
		return;
	for (int i = 0; i < ncols; i++)
		map->cols[i].defaults = repalloc(map->cols[i].defaults,
										 (1 + list_length(map->ancestors)) * sizeof(ColumnDefault));
	foreach(lc, map->ancestors)
	{
		Relation above = relation_open(lfirst_oid(lc), AccessShareLock);
		SavedRole caller = role_become_owner(above);

		level++;
		for (int i = 0; i < ncols; i++)
		{
			MappedColumn *col = &map->cols[i];
			AttrNumber attnum = column_attnum(RelationGetDescr(above), col->name);
			Node *expr = attnum == InvalidAttrNumber ? NULL : build_column_default(above, attnum);

			memset(&col->defaults[level], 0, sizeof(ColumnDefault));
			load_default(above, expr, &col->defaults[level]);
			map->defaults_differ =
				map->defaults_differ || !equal(expr, build_column_default(rel, col->attnum));
		}
		role_restore(&caller);
		relation_close(above, AccessShareLock);
	}
}

/* Marks columns by which a partitioned ancestor is partitioned. */
static void
mark_partition_key(Oid ancestor, RelationMap *map, TupleDesc desc)
{
	Relation rel = relation_open(ancestor, AccessShareLock);

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		PartitionKey key = RelationGetPartitionKey(rel);
		Bitmapset *attnums = NULL;
		int i = -1;

		pull_varattnos((Node *) key->partexprs, 1, &attnums);
		for (int k = 0; k < key->partnatts; k++)
			if (key->partattrs[k] != 0)
				attnums =
					bms_add_member(attnums, key->partattrs[k] - FirstLowInvalidHeapAttributeNumber);
		while ((i = bms_next_member(attnums, i)) >= 0)
		{
			AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;
			const char *name;

			if (attnum <= 0)
				continue;
			name = NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname);
			map->partition_attrs =
				bms_add_member(map->partition_attrs,
							   column_attnum(desc, name) - FirstLowInvalidHeapAttributeNumber);
			for (int c = 0; c < map->ncols; c++)
				if (strcmp(map->cols[c].name, name) == 0)
					map->cols[c].partition_key = true;
		}
	}
	relation_close(rel, AccessShareLock);
}

static void
load_field(MappedColumn *col, const char *entity, const char *name, Snapshot snapshot)
{
	const char *keys[2] = {entity, name};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, snapshot);

	if (catalog_next(scan))
	{
		char *domain = catalog_text(scan, Anum_field_domain);

		col->owner = catalog_text(scan, Anum_field_owner);
		col->policy = policy_from_name(catalog_text(scan, Anum_field_policy));
		col->key = catalog_bool(scan, Anum_field_key);
		if (col->policy == POLICY_UNSET && domain != NULL)
		{
			const char *dkeys[1] = {domain};
			CatalogScan *dscan = catalog_begin("domain", "domain_pkey", 1, dkeys, snapshot);

			if (catalog_next(dscan))
				col->policy = policy_from_name(catalog_text(dscan, Anum_domain_policy));
			catalog_end(dscan);
		}
	}
	catalog_end(scan);
}

/* Adds the mirrored columns of one table on the map that rel has, too. */
static void
load_columns(RelationMap *map, Relation rel, const char *schema, const char *table,
			 Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	TupleDesc desc = RelationGetDescr(rel);
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, snapshot);

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, Anum_mirrored_column_column);
		char *entity = catalog_text(scan, Anum_mirrored_column_entity);
		char *field = catalog_text(scan, Anum_mirrored_column_field);
		AttrNumber attnum = column_attnum(desc, name);
		MappedColumn *col;

		/* an absent column is a risk, not an error; the nearest mapping wins */
		if (attnum == InvalidAttrNumber || map_column(map, attnum) != NULL)
			continue;
		Assert(map->ncols < desc->natts);
		col = &map->cols[map->ncols++];
		col->attnum = attnum;
		col->name = name;
		col->field = psprintf("%s.%s", entity, field);
		load_field(col, entity, field, snapshot);
		load_column_type(rel, col);
	}
	catalog_end(scan);
}

/* Adds the columns that are not mirrored, behind those that are. */
static void
load_others(RelationMap *map, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);

	map->others = map->cols + map->ncols;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		MappedColumn *col = &map->others[map->nothers];

		if (att->attisdropped || att->attgenerated != '\0' || map_column(map, att->attnum) != NULL)
			continue;
		col->attnum = att->attnum;
		col->name = pstrdup(NameStr(att->attname));
		load_column_type(rel, col);
		map->nothers++;
	}
}

typedef struct LoadedRule
{
	char *column;
	int position;
	RowRule rule;
} LoadedRule;

static int
compare_rules(const ListCell *a, const ListCell *b)
{
	const LoadedRule *ra = lfirst(a);
	const LoadedRule *rb = lfirst(b);

	return (ra->position > rb->position) - (ra->position < rb->position);
}

static void
filter_error_context(void *arg)
{
	errcontext("row filter \"%s\" of the ownership map", (const char *) arg);
}

/* Adds the row owners of one table on the map, `home`. */
static void
load_rules(RelationMap *map, Relation rel, Oid home, const char *schema, const char *table,
		   Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("row_owner", "row_owner_pkey", 2, keys, snapshot);
	List *rules = NIL;

	while (catalog_next(scan))
	{
		LoadedRule *loaded = palloc0(sizeof(LoadedRule));

		loaded->column = catalog_text(scan, Anum_row_owner_column);
		loaded->position = catalog_int(scan, Anum_row_owner_position);
		loaded->rule.text = catalog_text(scan, Anum_row_owner_filter);
		loaded->rule.owner = catalog_text(scan, Anum_row_owner_owner);
		rules = lappend(rules, loaded);
	}
	catalog_end(scan);
	list_sort(rules, compare_rules);

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		ListCell *lc;
		int n = 0;

		if (col->nrules > 0)
			continue; /* a nearer table's rules win, too */
		foreach(lc, rules)
			n += strcmp(((LoadedRule *) lfirst(lc))->column, col->name) == 0;
		if (n == 0)
			continue;
		/* before the first body of a function is taken in */
		map_any_functions = true;
		col->rules = palloc(n * sizeof(RowRule));
		foreach(lc, rules)
		{
			LoadedRule *loaded = lfirst(lc);

			if (strcmp(loaded->column, col->name) != 0)
				continue;
			loaded->rule.expr = filter_parse(rel, home, loaded->rule.text);
			col->rules[col->nrules++] = loaded->rule;
		}
	}
}

/* The columns that tell a row, for evidence; see the contract's row_key. */
static void
load_row_key(RelationMap *map, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	Bitmapset *attnums = NULL;
	int i = -1;

	for (int c = 0; c < map->ncols; c++)
		if (map->cols[c].key)
		{
			attnums =
				bms_add_member(attnums, map->cols[c].attnum - FirstLowInvalidHeapAttributeNumber);
			map->nkeys++;
		}
	if (attnums == NULL)
		attnums = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	if (attnums == NULL)
		attnums = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_IDENTITY_KEY);

	map->key_attrs = palloc(desc->natts * sizeof(AttrNumber));
	while ((i = bms_next_member(attnums, i)) >= 0)
		map->key_attrs[map->nkey_attrs++] = i + FirstLowInvalidHeapAttributeNumber;
}

static int
compare_columns(const void *a, const void *b)
{
	const MappedColumn *ca = a;
	const MappedColumn *cb = b;

	return (ca->attnum > cb->attnum) - (ca->attnum < cb->attnum);
}

/*
 * Fills `map`, whose relation and ancestors are set, in the current memory
 * context, from the newest or as of a snapshot.  The caller has marked the
 * entries of the ancestors.  Parts of filters and defaults are computed here, as the table's
 * owner: explain() and guard() must not run his code as their caller.
 */
void
map_load(RelationMap *map, Relation rel, Snapshot at)
{
	Snapshot snapshot = at;
	SavedRole caller = role_become_owner(rel);
	List *relids = lcons_oid(map->relid, list_copy(map->ancestors));
	ListCell *lc;

	/* after the entries are there to be marked: nothing can slip between */
	catalog_watch();
	if (at == NULL)
		snapshot = catalog_snapshot();
	map->role = rel->rd_rel->relowner;
	map->root = llast_oid(relids);
	map->cols = palloc0(Max(RelationGetNumberOfAttributes(rel), 1) * sizeof(MappedColumn));
	foreach(lc, relids)
	{
		char *table = get_rel_name(lfirst_oid(lc));
		char *schema = table == NULL ? NULL : get_namespace_name(get_rel_namespace(lfirst_oid(lc)));
		const char *keys[2] = {schema, table};
		CatalogScan *scan;

		if (schema == NULL)
			continue; /* dropped meanwhile */
		scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, snapshot);
		if (catalog_next(scan))
		{
			if (!map->mapped)
			{
				map->home = lfirst_oid(lc);
				map->schema = schema;
				map->table = table;
				map->source = catalog_text(scan, Anum_mirrored_table_source);
			}
			map->mapped = true;
			load_columns(map, rel, schema, table, snapshot);
			load_rules(map, rel, lfirst_oid(lc), schema, table, snapshot);
		}
		catalog_end(scan);
	}
	if (map->mapped)
	{
		foreach(lc, map->ancestors)
			mark_partition_key(lfirst_oid(lc), map, RelationGetDescr(rel));
		pg_qsort(map->cols, map->ncols, sizeof(MappedColumn), compare_columns);
		load_row_key(map, rel);
		load_others(map, rel);
		load_defaults_above(map, rel);
		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

			if (!att->attisdropped)
				map->text_needs |= value_text_needs(att->atttypid);
		}
		map->econtext = CreateStandaloneExprContext();
		map->filter_cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership filters", ALLOCSET_SMALL_SIZES);
	}
	if (at == NULL)
		catalog_release(snapshot);
	role_restore(&caller);
}

/*
 * A map of an open relation, as yet empty, in a memory context of its own below
 * the current one.  What lies above the relation is marked first: its changes
 * are changes of the map.
 */
static RelationMap *
new_map(Relation rel)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership map", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RelationMap *map = palloc0(sizeof(RelationMap));
	ListCell *lc;

	map->relid = RelationGetRelid(rel);
	map->cxt = cxt;
	map->ancestors = place_ancestors(map->relid);
	foreach(lc, map->ancestors)
		map_entry(lfirst_oid(lc))->ancestor = true;
	MemoryContextSwitchTo(old);
	return map;
}

static void
load(RelationMap *map, Relation rel, Snapshot at)
{
	MemoryContext old = MemoryContextSwitchTo(map->cxt);

	map_load(map, rel, at);
	MemoryContextSwitchTo(old);
}

/* Lets the map outlive the transaction, under a number of its own. */
static void
keep(RelationMap *map)
{
	MemoryContextSetParent(map->cxt, CacheMemoryContext);
	map->loaded = ++loads;
}

/*
 * The map of an open relation as a snapshot sees it.  It is in no cache, and is
 * freed when those who pin it unpin it.
 *
 * Errors: as map_get().
 */
RelationMap *
map_as_of(Relation rel, Snapshot snapshot)
{
	RelationMap *map = new_map(rel);

	load(map, rel, snapshot);
	keep(map);
	map->retired = true;
	return map;
}

static inline bool
is_stale(const MapEntry *entry)
{
	return entry->map == NULL || !entry->map->valid;
}

/*
 * The map of an open relation.  Never NULL; `mapped` is false for relations
 * off the map.
 *
 * Errors: a row filter that cannot be compiled (the guard fails closed).
 */
RelationMap *
map_get(Relation rel)
{
	MapEntry *entry = map_entry(RelationGetRelid(rel));

	for (int n = 1; unlikely(is_stale(entry)) && n <= LOADS; n++)
	{
		uint64 seen = generation;
		RelationMap *loaded = new_map(rel);

		load(loaded, rel, NULL);
		if (seen != generation && n < LOADS)
		{
			MemoryContextDelete(loaded->cxt);
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		if (entry->map != NULL)
			retire(entry->map);
		keep(loaded);
		loaded->valid = seen == generation;
		any_valid |= loaded->valid;
		entry->map = loaded;
	}
	return entry->map;
}

/* The map of a relation if that is in the cache and holds, else NULL. */
RelationMap *
map_known(Oid relid)
{
	MapEntry *entry = maps == NULL ? NULL : hash_search(maps, &relid, HASH_FIND, NULL);

	return entry != NULL && entry->map != NULL && entry->map->valid ? entry->map : NULL;
}

/* The mirrored column at an attribute number, or NULL. */
MappedColumn *
map_column(RelationMap *map, AttrNumber attnum)
{
	for (int i = 0; i < map->ncols; i++)
		if (map->cols[i].attnum == attnum)
			return &map->cols[i];
	return NULL;
}

/* The column at an attribute number, mirrored or not; NULL: it is generated. */
const MappedColumn *
map_any_column(const RelationMap *map, AttrNumber attnum)
{
	for (int i = 0; i < map->ncols + map->nothers; i++)
		if (map->cols[i].attnum == attnum)
			return &map->cols[i];
	return NULL;
}

static bool
owned_by_another(const char *owner, const char *system)
{
	return owner != NULL && (system == NULL || strcmp(owner, system) != 0);
}

/*
 * The columns that the writer may not freely write in every row, as a set
 * with the offset FirstLowInvalidHeapAttributeNumber; also as `foreign` of
 * the columns.  Valid until the next call for this relation.
 */
const Bitmapset *
map_foreign(RelationMap *map, const Writer *writer)
{
	const char *system;
	MemoryContext old;

	if (likely(map->view_serial == writer->serial))
		return map->foreign;

	system = writer_system(writer, map->source);
	old = MemoryContextSwitchTo(map->cxt);
	bms_free(map->foreign);
	map->foreign = NULL;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		/* a table's source may write all of its own copy */
		col->foreign = false;
		if (map->source == NULL || system == NULL || strcmp(map->source, system) != 0)
		{
			col->foreign = owned_by_another(col->owner, system);
			for (int r = 0; r < col->nrules; r++)
				col->foreign |= owned_by_another(col->rules[r].owner, system);
		}
		if (col->foreign)
			map->foreign =
				bms_add_member(map->foreign, col->attnum - FirstLowInvalidHeapAttributeNumber);
	}
	MemoryContextSwitchTo(old);
	map->view_serial = writer->serial;
	return map->foreign;
}

/*
 * Is a row filter being asked?  What it calls must not ask in its turn: a
 * compiled expression is not made to be entered twice, and who owns a row must
 * not depend on what is written meanwhile.  Errors unwind the stack.
 */
bool
map_is_asking(void)
{
	for (ErrorContextCallback *c = error_context_stack; c != NULL; c = c->previous)
	{
		if (c->callback == filter_error_context)
			return true;
	}
	return false;
}

/* Compiled as the table's owner: he must be allowed to call the functions in it. */
static ExprState *
compile(Oid owner, Expr *expr)
{
	Oid role;
	int context;
	ExprState *state;

	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
	state = ExecInitExpr(expr, NULL);
	SetUserIdAndSecContext(role, context);
	return state;
}

/*
 * A function in a filter may have been left in the middle of its work by an
 * error, and does not know it when it is called again: then filters are
 * compiled anew.
 */
static void
compile_filters(RelationMap *map)
{
	MemoryContext old;

	MemoryContextReset(map->filter_cxt);
	old = MemoryContextSwitchTo(map->filter_cxt);
	for (int i = 0; i < map->ncols; i++)
		for (int r = 0; r < map->cols[i].nrules; r++)
			map->cols[i].rules[r].filter = compile(map->role, map->cols[i].rules[r].expr);
	MemoryContextSwitchTo(old);
	map->filters_of = map_aborts;
}

/*
 * Who owns the column in the stored row: the first rule that holds, else the
 * field's owner; NULL is nobody.
 *
 * Errors: whatever the filter raises (the guard fails closed).
 */
const char *
map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored)
{
	ExprContext *econtext = map->econtext;
	ErrorContextCallback context;
	const char *owner = col->owner;

	if (col->nrules == 0)
		return owner;

	if (map_is_asking())
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("a row filter cannot ask who owns a row")));
	if (unlikely(map->filters_of != map_aborts))
		compile_filters(map);
	context.callback = filter_error_context;
	context.previous = error_context_stack;
	error_context_stack = &context;
	for (int i = 0; i < col->nrules; i++)
	{
		RowRule *rule = &col->rules[i];
		bool isnull;
		bool holds;

		context.arg = rule->text;
		econtext->ecxt_scantuple = stored;
		holds = DatumGetBool(ExecEvalExprSwitchContext(rule->filter, econtext, &isnull));
		ResetExprContext(econtext);
		if (!isnull && holds)
		{
			owner = rule->owner;
			break;
		}
	}
	error_context_stack = context.previous;
	return owner;
}

/*
 * A column's default, evaluated now, in the current memory context.  It is
 * compiled each time: a function in it may write the table, too.
 */
void
map_default(const ColumnDefault *standard, Datum *value, bool *isnull)
{
	if (standard->expr != NULL)
	{
		ExprContext *econtext = CreateStandaloneExprContext();

		*value = ExecEvalExpr(compile(standard->role, standard->expr), econtext, isnull);
		FreeExprContext(econtext, true);
	}
	else
	{
		*value = standard->value;
		*isnull = standard->isnull;
	}
}
