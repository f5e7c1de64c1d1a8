/*
 * lift_first_rows.c
 *		A first copy into a shared table that has rows: which of its rows are there.
 *
 * Only rows that are there need the guard, which meets them, and any BEFORE trigger
 * stops PostgreSQL from inserting many rows at once.  So the guard is lifted off the
 * copy, and each of its lines is looked at when it arrives from the publisher: one
 * whose key is in the table, or came before, is held back.  The lines that were held
 * back are copied when the others are, with the guard in place.  Held back is also what
 * cannot be understood here, so the guard sees it.
 *
 * If another session makes a row after its line was looked at, the copy fails as a
 * duplicate key, and PostgreSQL starts it again.  The transaction does not commit
 * before all lines are copied.
 *
 * Keys that came before are known by a set of bits, three for each: a key may seem to
 * be among them that is not, and its line is held back in vain.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/copy.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "storage/buffile.h"
#include "storage/fd.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "../base/compat.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "guard.h"

/* 16 MB: eight million keys fill less than a fifth of them */
#define SEEN_BITS ((uint64) 1 << 27)

/* A column of the key, in the order of the line. */
typedef struct KeyField
{
	int field; /* its number in the line */
	AttrNumber attnum;
	FmgrInfo input;
	Oid param;
	int32 typmod;
	FmgrInfo *hash;
	Oid collation;
} KeyField;

/* A first copy whose lines are looked at. */
typedef struct FirstRows
{
	Oid relid;
	List *names; /* String: the columns of a line */
	MemoryContext line;
	ResourceOwner owner;
	Relation rel;
	StoredScan scan;
	TupleTableSlot *key;
	TupleTableSlot *found;
	int nkeys;
	KeyField keys[INDEX_MAX_KEYS];
	uint64 *seen;
	BufFile *held;
	uint64 nheld;	/* bytes */
	bool holds_all; /* the data is not a line a message */
	bool ended;		/* no more lines arrive */
} FirstRows;

static FirstRows *rows = NULL; /* lives as long as its transaction */

/* Prepares to read a column of the key; false: its values cannot be told apart here. */
static bool
prepare_field(KeyField *key, Relation rel, Relation index, int k, List *names)
{
	AttrNumber attnum = index->rd_index->indkey.values[k];
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	TypeCacheEntry *type = lookup_type_cache(getBaseType(att->atttypid),
											 TYPECACHE_EQ_OPR | TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	Oid in = index->rd_opcintype[k];
	Oid input;
	ListCell *lc;

	/* the same equality as the index, of the hash, too */
	if (!OidIsValid(type->eq_opr) || !OidIsValid(type->hash_extended_proc_finfo.fn_oid) ||
		type->eq_opr != get_opfamily_member(index->rd_opfamily[k], in, in, BTEqualStrategyNumber))
		return false;
	key->field = -1;
	foreach(lc, names)
	{
		if (strcmp(strVal(lfirst(lc)), NameStr(att->attname)) == 0)
			key->field = foreach_current_index(lc);
	}
	if (key->field < 0)
		return false;
	key->attnum = attnum;
	key->typmod = att->atttypmod;
	key->hash = &type->hash_extended_proc_finfo;
	key->collation = index->rd_indcollation[k];
	getTypeInputInfo(att->atttypid, &input, &key->param);
	fmgr_info(input, &key->input);
	return true;
}

/* For qsort() */
static int
compare_fields(const void *a, const void *b)
{
	return ((const KeyField *) a)->field - ((const KeyField *) b)->field;
}

/* Does a statement trigger for INSERT fire in a worker?  It is to fire once. */
static bool
fires_for_statement(const TriggerDesc *desc)
{
	for (int i = 0; i < desc->numtriggers; i++)
	{
		Trigger *trigger = &desc->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_INSERT(trigger->tgtype) &&
			(trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
			 trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA))
			return true;
	}
	return false;
}

/*
 * A first copy is about to begin, of the columns that `copy` names, into a shared table
 * that has rows.  Returns true if its lines will be looked at, so that the guard need not
 * meet rows.  With an option the data is not text (PostgreSQL 16 and later: binary).  With
 * a limit for temporary files, lines that are held back could stop the copy for ever.  cxt:
 * lives as long as the transaction.
 */
bool
lift_first_rows_begin(Relation rel, const RelationMap *map, const CopyStmt *copy, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	FirstRows *r = palloc0(sizeof(FirstRows));
	Relation index;
	bool can = rel->rd_rel->relkind == RELKIND_RELATION && OidIsValid(map->key_index) &&
			   copy->options == NIL && temp_file_limit < 0 &&
			   pg_get_client_encoding() == GetDatabaseEncoding() &&
			   !trigger_list_others_before(rel->trigdesc, TRIGGER_TYPE_INSERT) &&
			   !fires_for_statement(rel->trigdesc) && rows == NULL;

	if (can)
	{
		index = relation_open(map->key_index, AccessShareLock);
		r->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
		for (int k = 0; k < r->nkeys && can; k++)
			can = prepare_field(&r->keys[k], rel, index, k, copy->attlist);
		relation_close(index, NoLock);
	}
	if (can)
	{
		qsort(r->keys, r->nkeys, sizeof(KeyField), compare_fields);
		r->relid = RelationGetRelid(rel);
		r->names = copy->attlist;
		r->line = AllocSetContextCreate(cxt, "ownership line", ALLOCSET_SMALL_SIZES);
		r->owner = CurrentResourceOwner;
		r->rel = relation_open(r->relid, NoLock);
		r->key = MakeSingleTupleTableSlot(RelationGetDescr(r->rel), &TTSOpsVirtual);
		r->found = table_slot_create(r->rel, NULL);
		stored_scan_begin(&r->scan, r->rel, map->key_index, r->found);
		r->seen = palloc0(SEEN_BITS / BITS_PER_BYTE);
		rows = r;
	}
	MemoryContextSwitchTo(old);
	return can;
}

/*
 * Finds the end of a field of a line in COPY's text format, and its text in *buf.
 * NULL: it is SQL's NULL, or it is not as COPY writes it.
 */
static const char *
read_field(const char *at, const char *end, StringInfo buf)
{
	static const char escaped[] = "bfnrtv\\";
	static const char meant[] = "\b\f\n\r\t\v\\";

	resetStringInfo(buf);
	while (at < end && *at != '\t')
	{
		char c = *at++;

		if (c == '\\')
		{
			const char *found = at < end && *at != '\0' ? strchr(escaped, *at) : NULL;

			if (found == NULL)
				return NULL;
			c = meant[found - escaped];
			at++;
		}
		appendStringInfoCharMacro(buf, c);
	}
	return at;
}

/* Reads the key out of a line, and its hash; false: that is not possible. */
static bool
read_key(FirstRows *r, const char *line, const char *end, uint64 *hash)
{
	TupleTableSlot *slot = r->key;
	StringInfoData buf;
	int field = 0;

	initStringInfo(&buf);
	ExecClearTuple(slot);
	*hash = 0;
	for (int k = 0; k < r->nkeys; k++)
	{
		KeyField *key = &r->keys[k];
		Datum value;

		for (; field < key->field; field++)
		{
			line = memchr(line, '\t', end - line);
			if (line == NULL)
				return false;
			line++;
		}
		line = read_field(line, end, &buf);
		if (line == NULL)
			return false;
		value = InputFunctionCall(&key->input, buf.data, key->param, key->typmod);
		slot->tts_values[key->attnum - 1] = value;
		slot->tts_isnull[key->attnum - 1] = false;
		*hash = hash_combine64(*hash, DatumGetUInt64(FunctionCall2Coll(key->hash, key->collation,
																	   value, UInt64GetDatum(0))));
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

/* Notes a key by its hash.  Returns true if it may have been noted before. */
static bool
note(FirstRows *r, uint64 hash)
{
	uint64 step = (hash >> 27) | 1;
	bool seen = true;

	for (int i = 0; i < 3; i++)
	{
		uint64 bit = (hash + i * step) % SEEN_BITS;
		uint64 mask = (uint64) 1 << (bit % 64);

		seen &= (r->seen[bit / 64] & mask) != 0;
		r->seen[bit / 64] |= mask;
	}
	return seen;
}

/* Is the row of a line neither in the table nor among those that came before? */
static bool
is_new(FirstRows *r, const char *line, const char *end)
{
	TransactionId pending;
	StoredState state;
	MemoryContext old;
	uint64 hash;

	if (!read_key(r, line, end, &hash) || note(r, hash))
		return false;
	/* a scan allocates what it needs later, too */
	old = MemoryContextSwitchTo(GetMemoryChunkContext(r));
	state = stored_scan_look(&r->scan, r->key, false, &pending);
	MemoryContextSwitchTo(old);
	return state == STORED_ABSENT;
}

/*
 * The publisher has sent data of the copy.  Returns true if COPY is to have it now;
 * false: it is held back.
 */
bool
lift_first_rows_pass(const char *data, int len)
{
	FirstRows *r = rows;
	MemoryContext old;
	bool pass;

	if (r == NULL || r->ended)
		return true;
	old = MemoryContextSwitchTo(r->line);
	if (!r->holds_all)
		r->holds_all = memchr(data, '\n', len) != data + len - 1;
	pass = !r->holds_all && is_new(r, data, data + len - 1);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->line);
	if (!pass)
	{
		if (r->held == NULL)
		{
			ResourceOwner owner = CurrentResourceOwner;

			old = MemoryContextSwitchTo(GetMemoryChunkContext(r));
			CurrentResourceOwner = r->owner;
			r->held = BufFileCreateTemp(false);
			CurrentResourceOwner = owner;
			MemoryContextSwitchTo(old);
		}
		BufFileWrite(r->held, unconstify(char *, data), len);
		r->nheld += len;
	}
	return pass;
}

/* The publisher has sent all data. */
void
lift_first_rows_received(void)
{
	if (rows != NULL)
		rows->ended = true;
}

/* Are lines looked at, of which all have arrived? */
bool
lift_first_rows_are_received(void)
{
	return rows != NULL && rows->ended;
}

/* COPY reads what was held back. */
static int
read_held(void *data, int minread, int maxread)
{
	int n = (int) Min((uint64) maxread, rows->nheld);

	if (n > 0 && BufFileRead(rows->held, data, n) != (size_t) n)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read a temporary file: %m")));
	rows->nheld -= n;
	return n;
}

/* Copies the lines that were held back, with all triggers. */
static void
copy_held(Relation rel)
{
	ParseState *pstate = make_parsestate(NULL);
	CopyFromState copy;

	if (BufFileSeek(rows->held, 0, 0, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not rewind a temporary file: %m")));
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false);
	copy = BeginCopyFrom(pstate, rel, NULL, NULL, false, read_held, rows->names, NIL);
	(void) CopyFrom(copy);
	EndCopyFrom(copy);
	free_parsestate(pstate);
	PopActiveSnapshot();
}

/*
 * COPY has inserted the rows that it got: copies the others.  The guard's triggers are
 * shown again.
 *
 * Errors: those of the guard and of COPY.
 */
void
lift_first_rows_finish(void)
{
	FirstRows *r = rows;
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = r->owner;
	stored_scan_end(&r->scan);
	ExecDropSingleTupleTableSlot(r->found);
	ExecDropSingleTupleTableSlot(r->key);
	CurrentResourceOwner = owner;
	if (r->nheld > 0)
		copy_held(r->rel);
	CurrentResourceOwner = r->owner;
	if (r->held != NULL)
		BufFileClose(r->held);
	relation_close(r->rel, NoLock);
	CurrentResourceOwner = owner;
	rows = NULL;
}

/*
 * The transaction is about to commit.
 *
 * Errors: lines were held back, and are not copied (internal_error).
 */
void
lift_first_rows_check(void)
{
	if (unlikely(rows != NULL))
		elog(ERROR, "rows of the first copy of table \"%s\" are missing", get_rel_name(rows->relid));
}

/* The transaction ended, and frees the memory. */
void
lift_first_rows_end_transaction(void)
{
	rows = NULL;
}
