/*
 * scan.c
 *		Reads a table: once for the sketches of its columns, and again for the rows that
 *		are compared with those of other tables.
 *
 * Each reading is a query of the caller's own, so privileges and row security hold.  It
 * runs in a subtransaction that is rolled back at the end, which releases the lock: no
 * table stays locked while others are read.
 *
 * Of a large table a sample of its blocks is read.  Rows of other tables have their
 * counterparts there only by chance, so they are looked up by index.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "links.h"

/* A table with more rows or blocks is sampled. */
#define WHOLE_ROWS 500000.0
#define WHOLE_BLOCKS 65536.0

/* Rows and blocks of a sample, about. */
#define SAMPLE_ROWS 100000.0
#define SAMPLE_BLOCKS 16384.0

/* Rows in a block of a table that was never analysed. */
#define GUESSED_ROWS 50.0

/* A longer key is no key. */
#define MAX_KEY 200

/* One reading of a table. */
typedef struct Reading
{
	DestReceiver pub;
	LinkTable *table;
	int k;				 /* of sketches; 0: rows are looked for */
	List *keys;			 /* LinkKey *: by these */
	const char *sql;	 /* of a look-up, with $1; NULL: the table is scanned */
	Datum values;		 /* $1, a text[] */
	MemoryContext cxt;	 /* of what stays */
	MemoryContext brief; /* of one row */
	const char *unfit;	 /* why the table is not read */
	int64 rows;
} Reading;

/* The estimated number of rows, and the blocks, of a table and all tables below it. */
static double
count_rows(Oid relid, double *blocks)
{
	double rows = 0;
	ListCell *lc;

	*blocks = 0;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = try_table_open(lfirst_oid(lc), NoLock);
		double n;

		if (rel == NULL)
			continue; /* dropped since the search */
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		{
			n = RelationGetNumberOfBlocks(rel);
			*blocks += n;
			if (rel->rd_rel->reltuples >= 0 && rel->rd_rel->relpages > 0)
				rows += n * rel->rd_rel->reltuples / rel->rd_rel->relpages;
			else
				rows += n * GUESSED_ROWS;
		}
		table_close(rel, NoLock);
	}
	return rows;
}

/* Sets how much of the table is read. */
static void
choose_fraction(LinkTable *t)
{
	double blocks;

	t->rows = count_rows(t->relid, &blocks);
	t->fraction = 1;
	if (t->rows > WHOLE_ROWS || blocks > WHOLE_BLOCKS)
		t->fraction = Min(1, Min(SAMPLE_ROWS / Max(t->rows, 1), SAMPLE_BLOCKS / Max(blocks, 1)));
}

/* SELECT of all columns that take part. */
static char *
select_columns(const LinkTable *t)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(lc, t->columns)
		appendStringInfo(&sql, "%s%s", foreach_current_index(lc) == 0 ? "" : ", ",
						 sql_column("t", ((LinkColumn *) lfirst(lc))->name));
	appendStringInfo(&sql, " FROM %s t", quote_qualified_identifier(t->schema, t->table));
	return sql.data;
}

static void
sketch_value(LinkColumn *c, const Digest *d)
{
	sketch_add(&c->sketch, d->hash);
	if (c->digester.kind == LINK_TEXT && d->read != 0)
		sketch_add(&c->read, d->read);
	if (!d->ends_in_number)
		return;
	if (c->numbers == 0 || d->number < c->lowest)
		c->lowest = d->number;
	if (c->numbers == 0 || d->number > c->highest)
		c->highest = d->number;
	c->rising += c->numbers > 0 && d->number >= c->last;
	c->last = d->number;
	c->numbers++;
	c->lettered += d->letters >= 3;
}

static void
sketch_row(Reading *r, TupleTableSlot *slot)
{
	ListCell *lc;

	foreach(lc, r->table->columns)
	{
		LinkColumn *c = lfirst(lc);
		int i = foreach_current_index(lc);
		Digest d;

		if (slot->tts_isnull[i])
		{
			c->nulls++;
			continue;
		}
		digest_value(&c->digester, slot->tts_values[i], false, &d);
		if (!d.long_value)
			sketch_value(c, &d);
	}
}

/* A cell for a hash. */
static uint32
cell_of(uint64 hash)
{
	uint32 cell = (uint32) hash;

	return cell <= CELL_UNREAD ? cell + 2 : cell;
}

/* Keeps a row that is looked for; `key` is its key. */
static void
keep_row(Reading *r, TupleTableSlot *slot, LinkRow *row, const LinkColumn *key)
{
	LinkTable *t = r->table;
	char *text;
	ListCell *lc;

	if (row->count++ > 0)
		return; /* the key is that of several rows, which are not compared */
	text = value_to_text(key->type, slot->tts_values[key->index]);
	if (row->cells == NULL)
		row->cells = MemoryContextAllocZero(r->cxt, t->ncells * sizeof(uint32));
	row->key = strlen(text) > MAX_KEY ? NULL : MemoryContextStrdup(r->cxt, text);
	foreach(lc, t->columns)
	{
		LinkColumn *c = lfirst(lc);
		Digest d;

		if (slot->tts_isnull[c->index])
			continue;
		digest_value(&c->digester, slot->tts_values[c->index], true, &d);
		row->cells[c->cell] = cell_of(d.hash);
		if (c->digester.kind == LINK_TEXT)
			row->cells[c->cell + 1] = d.read == 0 ? CELL_UNREAD : cell_of(d.read);
	}
}

/* Keeps the row by each of the keys by which it is looked for. */
static void
find_row(Reading *r, TupleTableSlot *slot)
{
	ListCell *lc;

	foreach(lc, r->keys)
	{
		LinkKey *key = lfirst(lc);
		LinkColumn *c = key->column;
		LinkRow *row;
		Digest d;

		if (slot->tts_isnull[c->index])
			continue;
		digest_value(&c->digester, slot->tts_values[c->index], false, &d);
		row = links_rows_find(&key->rows, key->read ? d.read : d.hash);
		if (row != NULL)
			keep_row(r, slot, row, c);
	}
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Reading *r = (Reading *) self;
	MemoryContext old = MemoryContextSwitchTo(r->brief);

	slot_getallattrs(slot);
	if (r->k > 0)
		sketch_row(r, slot);
	else
		find_row(r, slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->brief);
	r->rows++;
	return r->table->fraction == 1 || r->rows < 3 * SAMPLE_ROWS;
}

static void
receive_starts(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receive_ends(DestReceiver *self)
{
}

/* The query of a reading. */
static char *
reading_sql(const Reading *r)
{
	char *sql = select_columns(r->table);

	if (r->sql != NULL)
		return psprintf("%s WHERE %s", sql, r->sql);
	if (r->table->fraction == 1)
		return sql;
	/* the same blocks in each reading */
	return psprintf("%s TABLESAMPLE SYSTEM (%.6f) REPEATABLE (1)", sql,
					Max(100 * r->table->fraction, 0.000001));
}

/* Runs the query of a reading; always returns false, so that its locks are released. */
static bool
read_table(void *arg)
{
	Reading *r = arg;
	SPIExecuteOptions options = {0};
	Oid type = TEXTARRAYOID;

	SPI_connect();
	if (r->k > 0)
	{
		if (trust_reading_runs_code(r->table->relid))
			r->unfit = "reading it would run functions of other roles";
		else
			choose_fraction(r->table);
	}
	if (r->unfit == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(reading_sql(r), r->sql == NULL ? 0 : 1, &type);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		if (r->sql != NULL)
		{
			options.params = makeParamList(1);
			options.params->params[0].value = r->values;
			options.params->params[0].isnull = false;
			options.params->params[0].pflags = PARAM_FLAG_CONST;
			options.params->params[0].ptype = type;
		}
		options.read_only = true;
		options.dest = &r->pub;
		if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
			elog(ERROR, "could not read table %u", r->table->relid);
	}
	SPI_finish();
	return false;
}

/* Returns whether the table could be read; if not, a notice says why. */
static bool
run(Reading *r)
{
	ErrorData *error;

	r->pub.receiveSlot = receive;
	r->pub.rStartup = receive_starts;
	r->pub.rShutdown = receive_ends;
	r->pub.rDestroy = receive_ends;
	r->pub.mydest = DestTuplestore; /* any but DestNone, which discards the rows */
	r->cxt = CurrentMemoryContext;
	r->brief = AllocSetContextCreate(CurrentMemoryContext, "ownership row", ALLOCSET_DEFAULT_SIZES);
	error = subxact_trial(read_table, r);
	MemoryContextDelete(r->brief);
	if (error == NULL && r->unfit == NULL)
		return true;
	r->table->left_out = true;
	ereport(NOTICE, (errmsg("table \"%s\" is left out: %s",
							names_message_relation(r->table->schema, r->table->table),
							error != NULL ? error->message : r->unfit)));
	return false;
}

/*
 * Reads a table and makes the sketches of its columns, of k hashes each.  Returns whether
 * it could be read; if not, a notice says why.
 */
bool
links_scan(LinkTable *t, int k)
{
	Reading r = {.table = t, .k = k};
	ListCell *lc;
	bool done;

	foreach(lc, t->columns)
	{
		LinkColumn *c = lfirst(lc);

		sketch_begin(&c->sketch, k);
		if (c->digester.kind == LINK_TEXT)
			sketch_begin(&c->read, k);
	}
	done = run(&r);
	foreach(lc, t->columns)
	{
		LinkColumn *c = lfirst(lc);

		sketch_end(&c->sketch);
		if (c->digester.kind == LINK_TEXT)
			sketch_end(&c->read);
	}
	if (t->fraction == 1)
		t->rows = r.rows;
	return done;
}

/* Can the text of another column's value be read as one of this type? */
static bool
can_be(const char *text, Oid type)
{
	int digits = type == INT2OID ? 4 : type == INT4OID ? 9 : 18;

	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			return (int) strlen(text) <= digits && strspn(text, "0123456789") == strlen(text);
		case UUIDOID:
			return strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36;
		default:
			return true;
	}
}

/* Looks up the rows of `key` that have the keys of the other table and were not found yet. */
static void
look_up(LinkTable *t, LinkKey *key, const LinkKey *other)
{
	Reading r = {.table = t, .keys = list_make1(key)};
	Datum *values = palloc(Max(other->rows.n, 1) * sizeof(Datum));
	int n = 0;

	for (int i = 0; i < other->rows.size; i++)
	{
		const LinkRow *row = &other->rows.rows[i];
		const LinkRow *own;

		if (row->count != 1 || row->key == NULL || !can_be(row->key, key->column->type))
			continue;
		own = links_rows_find(&key->rows, row->hash);
		if (own != NULL && own->count == 0)
			values[n++] = CStringGetTextDatum(row->key);
	}
	if (n == 0)
		return;
	r.sql = psprintf("%s OPERATOR(pg_catalog.=) ANY ($1::%s[])", sql_column("t", key->column->name),
					 sql_type(key->column->type));
	r.values = PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
	(void) run(&r);
}

/* Reads a table again for the rows that are looked for by the keys (LinkKey *). */
void
links_scan_rows(LinkTable *t, List *keys)
{
	Reading r = {.table = t, .keys = keys};

	(void) run(&r);
}

/*
 * Looks up by index, in a table that is sampled, the rows that the other tables of the
 * pairs (KeyPair *) have.  All tables have been read.
 */
void
links_look_up(LinkTable *t, List *pairs)
{
	ListCell *lc;

	foreach(lc, pairs)
	{
		KeyPair *pair = lfirst(lc);

		if (pair->a->column->table == t && pair->a->column->indexed)
			look_up(t, pair->a, pair->b);
		if (pair->b->column->table == t && pair->b->column->indexed)
			look_up(t, pair->b, pair->a);
	}
}
